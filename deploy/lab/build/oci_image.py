"""Makes an OCI image archive out of folders, without a daemon: OUT.tar NAME:TAG CONFIG_JSON LAYER_FOLDER...

One layer a folder. Times and owners are fixed, so equal folders give an equal image digest. Files below `data/` belong to
user 1000, because that is where a container of the lab may write. Large equal files of a layer become hard links: Trino's
plugins repeat many jars.
"""

import hashlib
import io
import json
import os
import pathlib
import sys
import tarfile

LINK_FROM = 64 * 1024
MEDIA = "application/vnd.oci.image."


class HashingFile:
    """Writes through to a file and remembers the digest and the size of what it wrote."""

    def __init__(self, file):
        self.file, self.digest, self.size = file, hashlib.sha256(), 0

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        self.size += len(data)
        return self.file.write(data)


def digest_of_file(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else hashlib.sha256(file.read()).hexdigest()


def add_entry(layer: tarfile.TarFile, path: pathlib.Path, name: str, known: dict) -> None:
    """Adds one file, link or folder with everything about it fixed that differs between machines."""
    entry = layer.gettarinfo(str(path), name)
    if entry.islnk():  # a hard link into the cache: the image has its own copy
        entry.type, entry.linkname, entry.size = tarfile.REGTYPE, "", path.stat().st_size
    owner = 1000 if name == "data" or name.startswith("data/") else 0
    entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = 0, owner, owner, "", ""
    if not entry.isreg():
        layer.addfile(entry)
        return
    if entry.size >= LINK_FROM:
        content = digest_of_file(path)
        if content in known:
            entry.type, entry.linkname, entry.size = tarfile.LNKTYPE, known[content], 0
            layer.addfile(entry)
            return
        known[content] = name
    with path.open("rb") as file:
        layer.addfile(entry, file)


def write_layer(folder: pathlib.Path, out: pathlib.Path) -> tuple:
    """Writes FOLDER as a tar file and returns its (digest, size)."""
    known: dict = {}
    with out.open("wb") as raw:
        hashing = HashingFile(raw)
        with tarfile.open(fileobj=hashing, mode="w|", format=tarfile.GNU_FORMAT) as layer:
            for root, folders, files in os.walk(folder):
                folders.sort()
                for child in sorted(folders + files):
                    path = pathlib.Path(root, child)
                    add_entry(layer, path, str(path.relative_to(folder)), known)
    return hashing.digest.hexdigest(), hashing.size


def blob(document: dict) -> tuple:
    data = json.dumps(document, sort_keys=True).encode()
    return hashlib.sha256(data).hexdigest(), data


def add_bytes(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), 0o644
    archive.addfile(entry, io.BytesIO(data))


def main() -> None:
    out, name, config = pathlib.Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
    layers = []
    for index, folder in enumerate(sys.argv[4:]):
        path = out.with_suffix(f".layer{index}")
        layers.append((path, *write_layer(pathlib.Path(folder), path)))
        print(f"layer {folder}: {layers[-1][2]} bytes", flush=True)
    config_digest, config_data = blob({
        "created": "1970-01-01T00:00:00Z", "architecture": "amd64", "os": "linux", "config": config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for _, digest, _ in layers]},
    })
    manifest_digest, manifest_data = blob({
        "schemaVersion": 2, "mediaType": MEDIA + "manifest.v1+json",
        "config": {"mediaType": MEDIA + "config.v1+json", "digest": f"sha256:{config_digest}", "size": len(config_data)},
        "layers": [{"mediaType": MEDIA + "layer.v1.tar", "digest": f"sha256:{digest}", "size": size} for _, digest, size in layers],
    })
    _, index_data = blob({
        "schemaVersion": 2, "mediaType": MEDIA + "index.v1+json",
        "manifests": [{
            "mediaType": MEDIA + "manifest.v1+json", "digest": f"sha256:{manifest_digest}", "size": len(manifest_data),
            "platform": {"architecture": "amd64", "os": "linux"},
            "annotations": {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rsplit(":", 1)[1]},
        }],
    })
    with tarfile.open(out, "w") as archive:
        add_bytes(archive, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        add_bytes(archive, "index.json", index_data)
        add_bytes(archive, f"blobs/sha256/{config_digest}", config_data)
        add_bytes(archive, f"blobs/sha256/{manifest_digest}", manifest_data)
        for path, digest, size in layers:
            entry = tarfile.TarInfo(f"blobs/sha256/{digest}")
            entry.size, entry.mode = size, 0o644
            with path.open("rb") as file:
                archive.addfile(entry, file)
            path.unlink()
    out.with_suffix(".digest").write_text(f"sha256:{manifest_digest}\n")
    out.with_suffix(".name").write_text(f"{name}\n")


if __name__ == "__main__":
    main()
