"""Makes OLE compound files ([MS-CFB]) of streams and folders, as Outlook does: in sectors of 512 bytes or 64."""

import struct

import msgspec

SECTOR, MINI_SECTOR, CUTOFF = 512, 64, 4096
FREE, END, FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
STORAGE, STREAM, ROOT = 1, 2, 5

Tree = dict[str, "bytes | Tree"]


class Entry(msgspec.Struct):
    """A line of the directory."""

    name: str
    kind: int
    data: bytes = b""
    start: int = END
    child: int = FREE
    right: int = FREE

    def packed(self) -> bytes:
        """Its 128 bytes."""
        encoded = self.name.encode("utf-16-le")[:62]
        head = encoded.ljust(64, b"\x00") + struct.pack("<HBB", len(encoded) + 2, self.kind, 1)
        return (
            head
            + struct.pack("<III", FREE, self.right, self.child)
            + bytes(36)
            + struct.pack("<IQ", self.start, len(self.data))
        )


class Chains:
    """Data cut into sectors, each of which knows the next one."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.content = bytearray()
        self.next: list[int] = []

    def add(self, data: bytes) -> int:
        """The first sector's number."""
        start = len(self.next)
        count = max(1, -(-len(data) // self.size))
        self.content += data.ljust(count * self.size, b"\x00")
        self.next += [*range(start + 1, start + count), END]
        return start


def compound_file(tree: Tree) -> bytes:
    """The file's bytes; a value that is a dictionary is a folder."""
    root = Entry("Root Entry", ROOT)
    entries = [root]
    _add(tree, root, entries)
    sectors, mini = Chains(SECTOR), Chains(MINI_SECTOR)
    for entry in entries[1:]:
        if entry.kind == STREAM:
            entry.start = (mini if len(entry.data) < CUTOFF else sectors).add(entry.data)
    root.data = bytes(mini.content)
    root.start = sectors.add(root.data)
    mini_fat = sectors.add(struct.pack(f"<{len(mini.next)}I", *mini.next))
    directory = sectors.add(b"".join(entry.packed() for entry in entries))
    return _with_head(sectors, directory, mini_fat, -(-len(mini.next) * 4 // SECTOR))


def _add(tree: Tree, parent: Entry, entries: list[Entry]) -> None:
    """A folder's children are a tree in which each node has only a sibling to the right."""
    before: Entry | None = None
    for name, value in sorted(tree.items(), key=lambda item: (len(item[0]), item[0].upper())):
        entry = Entry(name, STREAM, value) if isinstance(value, bytes) else Entry(name, STORAGE)
        if before is None:
            parent.child = len(entries)
        else:
            before.right = len(entries)
        entries.append(entry)
        before = entry
        if not isinstance(value, bytes):
            _add(value, entry, entries)


def _with_head(sectors: Chains, directory: int, mini_fat: int, mini_fat_count: int) -> bytes:
    count = 1
    while (len(sectors.next) + count) * 4 > count * SECTOR:
        count += 1
    first = len(sectors.next)
    table = struct.pack(f"<{first + count}I", *sectors.next, *[FAT] * count).ljust(count * SECTOR, b"\xff")
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    head += struct.pack("<IIIIIIIII", 0, count, directory, 0, CUTOFF, mini_fat, mini_fat_count, END, 0)
    head += struct.pack("<109I", *(first + index if index < count else FREE for index in range(109)))
    return head + bytes(sectors.content) + table
