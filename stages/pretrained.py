"""Where a tokenizer and weights of others lie: in a folder, or on the Hugging Face hub under a name at one revision."""

import json
from pathlib import Path

from pydantic import Field

from stages.errors import ExitCode, StageError
from stages.hashing import file_hash
from stages.parameters import Section

CONFIG_FILE = "config.json"


class LocalFolder(Section):
    """A folder as transformers saves it."""

    path: Path
    """Relative to the checkout, or absolute."""


class HubRevision(Section):
    """A repository of the hub, at a commit that nobody can change."""

    name: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    """Owner and name."""
    revision: str = Field(pattern=r"^[0-9a-f]{40}$")
    """The whole hash of a commit; a branch may move."""


Pretrained = LocalFolder | HubRevision


def recorded_folder(pretrained: Pretrained, record: Path, stage: str) -> Path:
    """The folder of files, each as `record` has it for the stage; StageError if one of them is missing or another."""
    folder = folder_of(pretrained)
    recorded = json.loads(record.read_text(encoding="utf-8")).get(stage, {}).get("files", {})
    changed = [
        name
        for name, entry in recorded.items()
        if not (folder / name).is_file() or file_hash(folder / name) != entry["hash"]
    ]
    if changed or not recorded:
        where = f"{folder / ''.join(changed[:1])}, {record}"
        raise StageError(ExitCode.DATA, "not the weights that were recorded", where, "Run `make sources`.")
    return folder


def folder_of(pretrained: Pretrained) -> Path:
    """The folder of files; StageError if it is not there, or was never downloaded."""
    if isinstance(pretrained, LocalFolder):
        if not (pretrained.path / CONFIG_FILE).is_file():
            where = f"{pretrained.path}: no {CONFIG_FILE}"
            raise StageError(ExitCode.CONFIGURATION, "no model", where, "Correct init_from in params.yaml.")
        return pretrained.path
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(pretrained.name, revision=pretrained.revision, local_files_only=True))
    except LocalEntryNotFoundError as error:
        where = f"{pretrained.name} at {pretrained.revision}"
        remedy = "Run `HF_HUB_OFFLINE=0 make sources` with a network."
        raise StageError(ExitCode.CONFIGURATION, "weights not downloaded", where, remedy) from error
