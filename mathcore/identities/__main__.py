"""``python -m mathcore.identities`` prints the catalogue."""

from mathcore.identities.pages import as_text

if __name__ == "__main__":
    print(as_text())
