"""Sources of public programs, fetched by package name with the machine's own npm and apt-get.

They lie unpacked in a cache outside the tree, $XDG_CACHE_HOME/quire-clients, and are fetched once.
Debian's source packages come through a deb-src line that is made from what apt-get itself is
configured with; its lists and archives are kept in the cache too, so that the machine's own stay as
they are.
"""
import fcntl
import os
import shutil

from .process import run

LIMIT = 300  # seconds for any one command
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"),
                     "quire-clients")


class Missing(Exception):
    """A package that cannot be had, and why."""


def command(words, what, **options):
    """What WORDS print."""
    if shutil.which(words[0]) is None:
        raise Missing(f"{what}: {words[0]} is not installed")
    done = run(words, LIMIT, **options)
    if done.timed_out:
        raise Missing(f"{what}: {words[0]} took more than {LIMIT} seconds; is there a network?")
    if done.status:
        said = (done.error_text() + done.text()).strip().splitlines() or ["(it said nothing)"]
        errors = [line for line in said if line.startswith(("E:", "npm error", "npm ERR"))]
        raise Missing(f"{what}: {words[0]} failed: {(errors or said[-1:])[0]}")
    return done.text()


def package(name, fetch):
    """The directory of package NAME, which FETCH(directory) fills on first use."""
    target = os.path.join(CACHE, name)
    try:
        os.makedirs(CACHE, exist_ok=True)
        with open(os.path.join(CACHE, "lock"), "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not os.path.isdir(target):
                part = target + ".part"
                shutil.rmtree(part, ignore_errors=True)
                os.mkdir(part)
                fetch(part)
                os.rename(part, target)
    except OSError as error:
        raise Missing(f"{name}: {error}") from error
    return target


# ---- npm -----------------------------------------------------------------------------------------

def npm(name, inner=None):
    """Package NAME (name@version); of an archive INNER inside it, what that holds."""
    def fetch(directory):
        said = command(["npm", "pack", "--silent", name], f"npm package {name}", cwd=directory)
        unpack(os.path.join(directory, said.split()[-1]), directory)
        if inner:
            unpack(os.path.join(directory, inner), directory)
    return package(f"npm-{name}", fetch)


def unpack(archive, directory):
    command(["tar", "-xf", archive, "-C", directory], os.path.basename(archive))


# ---- Debian --------------------------------------------------------------------------------------

def debian(name):
    """Source package NAME of the release that this machine has."""
    def fetch(directory):
        what = f"Debian source package {name}"
        options = apt_options(what)
        words = ["apt-get", *options, "source", "--download-only", name]
        try:
            command(words, what, cwd=directory)
        except Missing:  # there are no lists yet, or old ones
            command(["apt-get", *options, "-q", "update"], what)
            command(words, what, cwd=directory)
        description = [file for file in os.listdir(directory) if file.endswith(".dsc")]
        command(["dpkg-source", "--no-check", "--skip-patches", "-x", description[0], "source"],
                what, cwd=directory)
    return os.path.join(package(f"debian-{name}", fetch), "source")


def apt_options(what):
    """Lets apt-get know Debian's sources, and keep what it fetches below the cache."""
    line = os.path.join(CACHE, "sources.list")
    lists, archives = os.path.join(CACHE, "lists"), os.path.join(CACHE, "archives")
    for directory in (lists, archives):
        os.makedirs(os.path.join(directory, "partial"), exist_ok=True)
    with open(line, "w", encoding="utf-8") as file:
        file.write(source_line(what) + "\n")
    return ["-o", f"Dir::Etc::sourcelist={line}", "-o", "Dir::Etc::sourceparts=-",
            "-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={archives}",
            "-o", "APT::Sandbox::User=root"]


def source_line(what):
    with open("/etc/os-release", encoding="utf-8") as file:
        words = dict(line.strip().split("=", 1) for line in file if "=" in line)
    release = words.get("VERSION_CODENAME", "").strip('"')
    said = command(["apt-get", "indextargets", "--no-release-info", "--format",
                    "deb-src $(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"], what)
    lines = [line for line in said.splitlines() if line.split()[2:] == [release, "main"]]
    if not lines:
        raise Missing(f"{what}: apt-get is configured without the main component of "
                      f"'{release}'")
    return lines[0]
