"""``git``: a checkout of a repository at one commit."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import urlsplit

from provision.resources.base import Diff, Facts, Read, Shell, State, Step
from provision.resources.fields import option
from provision.resources.filecontent import check_path
from provision.shell import Sh, lines, sh


@dataclass(frozen=True, kw_only=True)
class Git:
    """``repo`` in the folder ``dest`` at ``version``: a full commit id or a tag, never a branch.

    What a branch means changes from day to day, and could be known only by asking the server at every run. ``depth``
    fetches so many commits only. Changes of the working tree are an error unless ``force`` is given, which discards
    them; files that git does not know stay. Submodules are not fetched. All belongs to root. The host needs git.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("dest",)

    repo: str = field(metadata=option(aliases=("name",)))
    dest: str
    version: str
    depth: int | None = None
    force: bool = False

    def __post_init__(self) -> None:
        check_path("dest", self.dest)
        if not self.repo or self.repo.startswith("-") or "\n" in self.repo:
            raise ValueError(f"repo {self.repo!r} is no address of a repository")
        if urlsplit(self.repo).password:
            raise ValueError("repo has a password in it, which every user of the host could read: use a deploy key")
        if self.version in ("HEAD", "main", "master"):
            raise ValueError(f"version {self.version} is a branch, which moves: give a tag or a full commit id")
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/+-]*", self.version) or ".." in self.version:
            raise ValueError(f"version {self.version!r} is neither a tag nor a full commit id")
        if self.depth is not None and self.depth < 1:
            raise ValueError("depth must be at least 1")

    @property
    def _is_commit(self) -> bool:
        return re.fullmatch("[0-9a-f]{40}", self.version) is not None

    @property
    def _checkout(self) -> Shell:
        return Shell(lines(sh("dest={}", self.dest), _READ), timeout=60)

    def reads(self) -> Iterable[Read]:
        """Commit and tags that are checked out, where they came from, and whether files were changed."""
        return (self._checkout,)

    def desired(self, facts: Facts) -> State:
        """The commit, or that the tag is at it."""
        read = self._checkout
        at = {read["commit"]: self.version} if self._is_commit else {read[f"tag {self.version}"]: "yes"}
        return {read["repo"]: self.repo, **at, read["modified"]: "no"}

    def change(self, diff: Diff) -> list[Step]:
        """One step: fetch the one commit and check it out."""
        tag = f"refs/tags/{self.version}"
        head = sh(
            "dest={} repo={} version={} force={} ref={} spec={}",
            self.dest,
            self.repo,
            self.version,
            "yes" if self.force else "no",
            self.version if self._is_commit else tag,
            self.version if self._is_commit else f"+{tag}:{tag}",
        )
        depth = sh("--depth {}", self.depth) if self.depth else Sh("")
        return [Step(lines(head, _PREPARE, sh(_FETCH, depth), _CHECK_OUT))]


# git looks into the folders above for a repository unless told where it is.
_READ = Sh("""\
export GIT_DIR="$dest/.git" GIT_WORK_TREE="$dest"
if [ ! -d "$GIT_DIR" ]; then exit 0; fi
echo "repo=$(git config --get remote.origin.url)"
echo "commit=$(git rev-parse --verify --quiet HEAD)"
git tag --points-at HEAD | sed 's/^/tag /; s/$/=yes/'
modified=yes
if [ -z "$(git --no-optional-locks status --porcelain --untracked-files=no 2>&1)" ]; then modified=no; fi
echo "modified=$modified\"""")

_PREPARE = Sh("""\
command -v git >/dev/null || {
    echo 'git is not installed: add a task `package: {name: git}` before this one' >&2
    exit 1
}
if [ ! -d "$dest/.git" ] && [ -n "$(ls -A -- "$dest" 2>/dev/null)" ]; then
    echo "$dest is no checkout and not empty: move it away first" >&2
    exit 1
fi
if [ -d "$dest/.git" ]; then
    # The locks of a git that was killed; no other works here.
    (cd -- "$dest/.git" && rm -f index.lock shallow.lock config.lock)
fi
git init --quiet -- "$dest"
cd -- "$dest"
export GIT_DIR="$dest/.git" GIT_WORK_TREE="$dest" GIT_TERMINAL_PROMPT=0 GIT_SSH_COMMAND='ssh -o BatchMode=yes'
git config remote.origin.url "$repo"
git config remote.origin.fetch '+refs/heads/*:refs/remotes/origin/*'
if [ "$force" = no ] && git rev-parse --verify --quiet HEAD >/dev/null; then
    changed=$(git status --porcelain --untracked-files=no)
    if [ -n "$changed" ]; then
        echo "files of $dest were changed by hand; force: true discards that:" >&2
        echo "$changed" >&2
        exit 1
    fi
fi""")

_FETCH = """\
if ! git rev-parse --verify --quiet "$ref^{{commit}}" >/dev/null || [ "$ref" != "$version" ]; then
    git fetch --quiet --no-tags {} -- origin "$spec" || {{
        echo "git could not fetch $version from $repo: the lines above say why" >&2
        echo '(version is a tag or a full commit id; a branch has neither)' >&2
        exit 1
    }}
fi"""

_CHECK_OUT = Sh("""\
git checkout --quiet --force --detach "$ref^{commit}" --""")
