"""Programs for maintainers of this collection."""
