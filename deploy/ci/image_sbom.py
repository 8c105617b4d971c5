#!/usr/bin/env python3
"""The bill of materials of an image, CycloneDX 1.6, of what is in it and not of what should be: Debian's packages by
dpkg, Python's by their own metadata, with the image's digest. Run by image.sh, from the checkers' environment.

    image_sbom.py NAME DIGEST DEBIAN PYTHON    # files: `package version architecture`, and `name version`, a line each
"""

import sys
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL


def main(name: str, digest: str, debian: Path, python: Path) -> None:
    bom = Bom()
    content = digest.rpartition(":")[2]
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=content)]
    image = Component(name=name, type=ComponentType.CONTAINER, version=content[:12], hashes=hashes, bom_ref=name)
    bom.metadata.component = image
    for line in debian.read_text(encoding="utf-8").splitlines():
        package, version, architecture = line.split()
        url = PackageURL("deb", "debian", package, version, {"arch": architecture, "distro": "bookworm"})
        bom.components.add(_component(package, version, url))
    for line in python.read_text(encoding="utf-8").splitlines():
        package, version = line.split()
        bom.components.add(_component(package, version, PackageURL("pypi", None, package.lower(), version)))
    bom.register_dependency(image, bom.components)
    sys.stdout.write(JsonV1Dot6(bom).output_as_string(indent=2) + "\n")


def _component(name: str, version: str, url: PackageURL) -> Component:
    return Component(name=name, version=version, type=ComponentType.LIBRARY, purl=url, bom_ref=str(url))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
