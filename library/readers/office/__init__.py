"""Office files as text: Word, OpenDocument, RTF, presentations and workbooks, each part counted and checked first."""
