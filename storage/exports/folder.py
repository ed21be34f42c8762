"""Exports to a folder, or to an object store that speaks S3. What an export writes is unseen until its manifest is there, the last file."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from adpulse.errors import Unavailable, Usage
from storage.exports.manifest import Manifest
from storage.files import disk_full, flush, is_disk_full

_STORES = ("s3",)
_NUMBER = re.compile(r"(?:export=)?(\d{8})(?:\.json)?")
_ERRORS = (OSError, pa.ArrowException)

STATE = "state"
MANIFESTS = "manifests"


class FolderTarget:
    """A folder of one workspace's exports: ``manifests/``, one folder for each view, and ``state/`` with a record of the newest one's rows.

    Every method raises Unavailable when the folder or the store cannot be reached, and DiskFull when there is no space.
    """

    format = None

    def __init__(self, filesystem: fs.FileSystem, root: str, *, name: str) -> None:
        self._fs = filesystem
        self._root = root.rstrip("/")
        self.name = name

    @classmethod
    def at(cls, location: str) -> Self:
        """The target at a path, or at ``s3://BUCKET/PREFIX?region=…&endpoint_override=…``.

        Credentials of a store come from its usual variables or files, such as ``AWS_ACCESS_KEY_ID``, never from the address.

        Raises:
            Usage: the address has credentials in it, or is of a kind that is not known.
        """
        parts = urlsplit(location)
        if not parts.scheme:
            folder = str(Path(location).absolute())
            return cls(fs.LocalFileSystem(), folder, name=folder)
        if parts.scheme not in _STORES:
            raise Usage(
                "Exports go to a folder, to s3://BUCKET/PREFIX or to postgresql://USER@HOST/DATABASE, "
                f"not to an address that begins with {parts.scheme}:."
            )
        if parts.username or parts.password or re.search(r"(?i)(?:access_key|secret_key|session_token)=", parts.query):
            raise Usage(
                "Leave credentials out of the address of the store: they are read from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
            )
        try:
            filesystem, root = fs.FileSystem.from_uri(location)
        except (ValueError, *_ERRORS) as error:
            raise Usage(f"{location} is not the address of a store: {error}") from None
        return cls(filesystem, root, name=f"{parts.scheme}://{parts.netloc}{parts.path}")

    def beneath(self, workspace: str) -> "FolderTarget":
        """The target in a folder of this one."""
        return FolderTarget(self._fs, f"{self._root}/{workspace}", name=f"{self.name.rstrip('/')}/{workspace}")

    def newest(self, workspace: str) -> Manifest | None:
        """The manifest of the newest export; None before the first.

        Raises:
            Usage: it cannot be read, or is of another workspace.
        """
        manifest = self._newest()
        if manifest and manifest.workspace != workspace:
            raise Usage(f"{self.name} holds exports of workspace {manifest.workspace}. Export {workspace} into a folder of its own.")
        return manifest

    def _newest(self) -> Manifest | None:
        with self._reached():
            # The manifests are many, the records one or two; without a record the manifests are listed.
            for folder in (STATE, MANIFESTS):
                for sequence in sorted(self._numbers(folder), reverse=True):
                    if self._kind(_manifest(sequence)) is fs.FileType.File:
                        return self._read(sequence)
        return None

    def fetch_state(self, newest: Manifest, folder: Path) -> dict[str, Path]:
        """Copy the record of the newest export to a folder; returns the file of each view of which there is one."""
        sequence = newest.sequence
        with self._reached():
            present = [info.base_name for info in self._listed(f"{STATE}/{sequence:08}") if info.type is fs.FileType.File]
            return {name.removesuffix(".parquet"): self._fetch(f"{STATE}/{sequence:08}/{name}", folder / name) for name in present}

    def manifests(self, first: int) -> list[Manifest]:
        """The manifests from this number on, in their order.

        Raises:
            Usage: one cannot be read.
        """
        with self._reached():
            return [self._read(sequence) for sequence in sorted(self._numbers(MANIFESTS)) if sequence >= first]

    def fetch(self, names: Iterable[str], folder: Path) -> list[Path]:
        """Copy files to the same paths in a folder."""
        with self._reached():
            return [self._fetch(name, folder / name) for name in names]

    def clear(self, sequence: int) -> None:
        """Remove what an export of this number left that was interrupted before its manifest was written."""
        with self._reached():
            for info in self._listed(""):
                if info.type is fs.FileType.Directory and info.base_name not in (STATE, MANIFESTS):
                    self._remove(f"{info.base_name}/export={sequence:08}")
            self._remove(f"{STATE}/{sequence:08}")

    def write(self, folder: Path, manifest: Manifest) -> Manifest:
        """Copy an export's files, and then its manifest with their sizes, which makes it count."""
        manifest = replace(manifest, files=self.upload(folder))
        self.commit(manifest)
        return manifest

    def upload(self, folder: Path) -> dict[str, int]:
        """Copy every file of a folder, to the same path in the target; returns their sizes in bytes, but for those of the record."""
        sizes = {str(path.relative_to(folder)): path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()}
        with self._reached():
            for name in sizes:
                self.store(folder / name, name)
        return {name: size for name, size in sizes.items() if not name.startswith(f"{STATE}/")}

    def store(self, source: Path, name: str) -> None:
        """Copy one file, through to the disk where the target is a folder of this machine."""
        path = f"{self._root}/{name}"
        self._fs.create_dir(path.rpartition("/")[0], recursive=True)
        fs.copy_files(str(source), path, source_filesystem=fs.LocalFileSystem(), destination_filesystem=self._fs)
        self._flush(path)

    def commit(self, manifest: Manifest) -> None:
        """Write the manifest in one step: from here on the export exists. Then forget the record of the export before."""
        with self._reached():
            self._fs.create_dir(f"{self._root}/{MANIFESTS}", recursive=True)
            path = f"{self._root}/{_manifest(manifest.sequence)}"
            part = f"{path}.part"
            with self._fs.open_output_stream(part) as stream:
                stream.write(manifest.to_json())
            self._flush(part)
            self._fs.move(part, path)
            self._flush(path.rpartition("/")[0])
            for sequence in self._numbers(STATE):
                if sequence < manifest.sequence:
                    self._remove(f"{STATE}/{sequence:08}")

    def _fetch(self, name: str, file: Path) -> Path:
        file.parent.mkdir(parents=True, exist_ok=True)
        fs.copy_files(f"{self._root}/{name}", str(file), source_filesystem=self._fs, destination_filesystem=fs.LocalFileSystem())
        return file

    def _read(self, sequence: int) -> Manifest:
        with self._fs.open_input_stream(f"{self._root}/{_manifest(sequence)}") as stream:
            text = stream.read()
        try:
            return Manifest.from_json(text)
        except (ValueError, KeyError, TypeError):
            raise Usage(
                f"{_manifest(sequence)} in {self.name} is not a manifest that this adpulse wrote. Export into a new folder."
            ) from None

    def _numbers(self, folder: str) -> list[int]:
        matches = (_NUMBER.fullmatch(info.base_name) for info in self._listed(folder))
        return [int(match.group(1)) for match in matches if match]

    def _listed(self, folder: str) -> list[fs.FileInfo]:
        path = f"{self._root}/{folder}".rstrip("/")
        return list(self._fs.get_file_info(fs.FileSelector(path, allow_not_found=True)))

    def _kind(self, name: str) -> fs.FileType:
        return self._fs.get_file_info(f"{self._root}/{name}").type

    def _remove(self, folder: str) -> None:
        with suppress(FileNotFoundError):
            self._fs.delete_dir(f"{self._root}/{folder}")

    def _flush(self, path: str) -> None:
        if isinstance(self._fs, fs.LocalFileSystem):
            flush(Path(path))

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except _ERRORS as error:
            if is_disk_full(error):
                raise disk_full(Path(self.name) / STATE) from error
            raise Unavailable(
                f"The export to {self.name} could not go on: {error}. Nothing of it counts; the next one begins again."
            ) from None


def _manifest(sequence: int) -> str:
    return f"{MANIFESTS}/{sequence:08}.json"
