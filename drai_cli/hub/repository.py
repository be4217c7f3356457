"""A repository of the Hugging Face Hub: downloads, checks and uploads; explains failures.

A repository is data: only files of the names below are downloaded, nothing in it is executed, no pickle is read.
Cache, tokens, endpoint and offline mode are huggingface_hub's own (HF_HOME, HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE).
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from drai_cli.errors import DraiError, InputError, NetworkError, WeightsError
from drai_cli.hub.answers import guard_session
from drai_cli.io.files import explain_os_error
from drai_cli.io.room import check_room
from drai_cli.progress import SILENT, Reporter, show_bytes

MODEL_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
CARD_FILE = "README.md"
SAMPLES_FILE = "samples.png"
HUB_FILES = (MODEL_FILE, CONFIG_FILE, CARD_FILE, SAMPLES_FILE)
"""The files of a repository that drai made; no others are downloaded."""
PICKLE_SUFFIXES = {".pt", ".pt2", ".pth", ".ckpt", ".pkl", ".pickle", ".bin"}
_MOST_BYTES = 1 << 30  # of a file; the model of the largest preset has a twentieth of it

# HTTP libraries that versions of huggingface_hub use.
_NETWORK_LIBRARIES = {"httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3"}
_CACHED = re.compile(r"models--(?P<owner>.+?)--(?P<name>.+)/snapshots/(?P<commit>[0-9a-f]{40})/[^/]+")


@dataclass(frozen=True)
class HubRepository:
    """A model's repository at a revision.

    Attributes:
        name: `owner/name`.
        revision: Branch, tag or commit; None: the default branch.
    """

    name: str
    revision: str | None = None

    def __str__(self) -> str:
        return self.name if self.revision is None else f"{self.name}@{self.revision}"

    def find_cached(self, reporter: Reporter = SILENT) -> Path | None:
        """The model file in the local cache, its hash checked; None if it is not cached or damaged."""
        return self._find_all_cached([MODEL_FILE], reporter).get(MODEL_FILE)

    def fetch(self, wanted: Sequence[str] = HUB_FILES, reporter: Reporter = SILENT) -> dict[str, Path]:
        """Downloads files, all of one commit, to the local cache; those that the repository lacks are left out.

        Raises:
            NetworkError: The Hub cannot be reached or refuses.
            WeightsError: No such revision, no model in it, file names that lead out of it, or a wrong hash.
        """
        import huggingface_hub
        from huggingface_hub import constants
        from huggingface_hub.utils.tqdm import disable_progress_bars

        if constants.is_offline_mode() and MODEL_FILE in (cached := self._find_all_cached(wanted, reporter)):
            reporter.info(f"{self}: HF_HUB_OFFLINE is set, the cached files are used")
            return cached
        with self._explain_failures():
            guard_session(str(self))
            info = huggingface_hub.HfApi().model_info(self.name, revision=self.revision, files_metadata=True)
            sizes = {sibling.rfilename: sibling.size or 0 for sibling in info.siblings or ()}
            self._check_names(list(sizes))
            names = [name for name in wanted if name in sizes]
            reporter.info(f"{self}: commit {info.sha}")
            self._check_sizes({name: sizes[name] for name in names}, info.sha, reporter)
            disable_progress_bars()  # the reporter shows it
            with reporter.task(f"downloading {self}", len(names), "files") as task:
                paths = self._download(names)
                if damaged := self._remove_damaged(paths):
                    reporter.warn(
                        f"{self}: {', '.join(damaged)}: another hash than on the Hub, downloaded again"
                    )
                    paths = self._download(names)
                    if damaged := self._remove_damaged(paths):
                        raise WeightsError(
                            str(self), f"{damaged[0]} has another hash than on the Hub, twice",
                            "it was removed from the cache: check the connection and HF_ENDPOINT, "
                            "then drai pull it again",
                        )  # fmt: skip
                task.advance(len(names))
            return paths

    def upload(self, files: Mapping[str, Path], message: str, *, is_private: bool) -> str:
        """Uploads files in one commit to the repository, created if it does not exist; returns the commit.

        Raises:
            NetworkError: The Hub cannot be reached or refuses.
            WeightsError: No such revision.
        """
        import huggingface_hub
        from huggingface_hub.utils.tqdm import disable_progress_bars

        api = huggingface_hub.HfApi()
        disable_progress_bars()
        with self._explain_failures(is_upload=True):
            guard_session(str(self))
            api.create_repo(self.name, private=is_private or None, exist_ok=True)
            commit = api.create_commit(
                self.name,
                [huggingface_hub.CommitOperationAdd(name, path) for name, path in files.items()],
                commit_message=message,
                revision=self.revision,
            )
            return str(commit.oid)

    def _check_names(self, names: Sequence[str]) -> None:
        """Checks that all files are below the repository's root and that it has a model file that is safe to read."""
        for name in names:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
                raise WeightsError(
                    str(self), f"the repository has a file name that leads out of it ({name[:80]!r})",
                    "nothing was downloaded: do not use it",
                )  # fmt: skip
        if MODEL_FILE not in names:
            pickles = [name for name in names if PurePosixPath(name).suffix in PICKLE_SUFFIXES]
            also = f", but pickles ({pickles[0][:80]})" if pickles else ""
            hint = "pickles can run code: they are never loaded" if pickles else "it was not made by drai"
            raise WeightsError(str(self), f"the repository holds no {MODEL_FILE}{also}", hint)

    def _check_sizes(self, sizes: Mapping[str, int], commit: str | None, reporter: Reporter) -> None:
        """Checks that no file is too large, and that those not yet cached fit on the disk."""
        import huggingface_hub
        from huggingface_hub import constants

        for name, size in sizes.items():
            if size > _MOST_BYTES:
                raise WeightsError(
                    str(self), f"{name} has {show_bytes(size)}, expected at most {show_bytes(_MOST_BYTES)}",
                    "nothing was downloaded: drai makes no such files",
                )  # fmt: skip
        missing = sum(
            size
            for name, size in sizes.items()
            if huggingface_hub.try_to_load_from_cache(self.name, name, revision=commit) is None
        )
        if missing:
            place, hint = Path(constants.HF_HUB_CACHE), "check the free space in HF_HOME"
            try:
                check_room(place, str(self), missing, missing, hint, reporter)
            except InputError as error:
                raise WeightsError(error.subject, error.message, hint) from error

    def _find_all_cached(self, names: Sequence[str], reporter: Reporter) -> dict[str, Path]:
        """The files that the local cache has, of one revision; damaged ones are removed and left out."""
        import huggingface_hub

        with self._explain_failures():
            found = {
                name: huggingface_hub.try_to_load_from_cache(self.name, name, revision=self.revision)
                for name in names
            }
            paths = {name: Path(path) for name, path in found.items() if isinstance(path, str)}
            if damaged := self._remove_damaged(paths):
                reporter.warn(f"{self}: {', '.join(damaged)}: damaged in the Hub cache, removed")
            return {name: path for name, path in paths.items() if name not in damaged}

    def _download(self, names: Sequence[str]) -> dict[str, Path]:
        """The files in the cache, their hashes not yet checked."""
        import huggingface_hub

        folder = huggingface_hub.snapshot_download(
            self.name, revision=self.revision, allow_patterns=list(names)
        )
        return {name: Path(folder) / name for name in names}

    def _remove_damaged(self, paths: Mapping[str, Path]) -> list[str]:
        """Names of cached files whose hash is not the Hub's, removed from the cache.

        A power cut can leave several: huggingface_hub does not sync its cache. All are found at once, so that one
        more download is enough. The cache names a file's bytes by this hash: sha256 of large files, git's of small
        ones. Where it cannot make links (Windows without the permission) there is no such name, and only the header
        of a model file is checked.
        """
        damaged = []
        for name, path in paths.items():
            stored = path.resolve()
            expected = stored.name
            if stored == path or not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", expected):
                continue
            if len(expected) == 64:
                digest = hashlib.sha256()
            else:
                digest = hashlib.sha1(b"blob %d\0" % stored.stat().st_size, usedforsecurity=False)
            with open(stored, "rb") as file:
                actual = hashlib.file_digest(file, lambda: digest).hexdigest()  # noqa: B023  (called at once)
            if actual != expected:
                stored.unlink(missing_ok=True)
                path.unlink(missing_ok=True)
                damaged.append(name)
        return damaged

    @contextlib.contextmanager
    def _explain_failures(self, is_upload: bool = False) -> Iterator[None]:
        try:
            yield
        except DraiError:
            raise
        except Exception as error:
            if (refused := _find_refusal(error)) is not None:
                raise refused from error
            # An error in an upload thread is wrapped in a RuntimeError.
            cause = error.__cause__ if type(error) is RuntimeError else None
            explained = _explain(str(self), cause if isinstance(cause, Exception) else error, is_upload)
            if explained is None:
                raise
            raise explained from error


def cached_models() -> list[Path]:
    """The model files in the Hub cache, by repository and commit; uses no network and opens no file."""
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE)
    return sorted(cache.glob(f"models--*--*/snapshots/*/{MODEL_FILE}"))


def origin_of(path: Path) -> str:
    """`owner/name@commit` of a file in the Hub cache; empty for any other."""
    match = _CACHED.search(path.as_posix())
    return f"{match['owner']}/{match['name']}@{match['commit']}" if match else ""


def _find_refusal(error: BaseException) -> DraiError | None:
    """The error of a check of an answer, which huggingface_hub may have wrapped in its own."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, DraiError):
        seen = seen.__cause__ or seen.__context__
    return seen


def _is_from_library(error: BaseException) -> bool:
    """Whether an error was raised in huggingface_hub or what it calls: an answer it cannot read."""
    place, modules = error.__traceback__, []
    while place is not None:
        modules.append(str(place.tb_frame.f_globals.get("__name__", "")))
        place = place.tb_next
    return any(module.startswith("huggingface_hub") for module in modules)


def _explain_unreached(name: str) -> NetworkError:
    return NetworkError(
        name,
        "no such file or folder here, and the Hub cannot be reached",
        "check the spelling, the connection or HF_ENDPOINT; or copy model.safetensors here and give its path",
    )


def _explain(name: str, error: Exception, is_upload: bool) -> DraiError | None:
    """The error to show for a failure of the Hub or the network; None for any other."""
    from huggingface_hub import constants, errors

    offline = constants.is_offline_mode()
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, errors.GatedRepoError):
        return NetworkError(
            name, "the repository is gated", "accept its terms on the Hub, then `hf auth login`"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return WeightsError(name, "the repository has no such revision", "check its branches and tags")
    if isinstance(error, errors.RepositoryNotFoundError):
        return NetworkError(
            name,
            "no such file or folder here, and no such repository on the Hub (or it is private)",
            "check the spelling; for a private one, `hf auth login` or set HF_TOKEN",
        )
    if isinstance(error, errors.LocalEntryNotFoundError | errors.OfflineModeIsEnabled):
        if offline:
            return NetworkError(
                name, "not in the local Hub cache, and HF_HUB_OFFLINE is set", "unset it, or give a file"
            )
        return _explain_unreached(name)
    if isinstance(error, errors.EntryNotFoundError):
        return WeightsError(name, f"the repository holds no {MODEL_FILE}", "it was not made by drai")
    if isinstance(error, errors.HfHubHTTPError):
        hints = {401: "`hf auth login` or set HF_TOKEN", 403: "your token has no access to it"}
        if is_upload:
            hints[403] = f"your token may not write to {name}: create one with write access, `hf auth login`"
        hints[429] = "too many requests: wait and try again"
        return NetworkError(
            name, f"the Hub answered {status or 'with an error'}", hints.get(status or 0, "try again later")
        )
    if isinstance(error, errors.HFValidationError):
        return WeightsError(name, "no such file, and no valid Hub name", "a Hub name looks like owner/name")
    libraries = {base.__module__.split(".")[0] for base in type(error).__mro__}
    if libraries & _NETWORK_LIBRARIES:
        return _explain_unreached(name)
    if isinstance(error, OSError):
        return WeightsError(
            name,
            f"cannot be stored in the Hub cache ({explain_os_error(error, Path(constants.HF_HUB_CACHE))})",
            "check the free space in HF_HOME",
        )
    if isinstance(
        error, ValueError | TypeError | LookupError | AttributeError | AssertionError
    ) and _is_from_library(error):
        return NetworkError(
            name,
            "the server's answer is not a Hub's",
            "check the connection and HF_ENDPOINT, or try again later",
        )
    return None
