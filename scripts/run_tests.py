#!/usr/bin/env python3
"""Runs the tests by cargo-nextest and judges the result.

    scripts/run_tests.py [NEXTEST ARGUMENTS]
    scripts/run_tests.py --self-test

Every test runs once, even after a failure. A test over its limit (`.config/nextest.toml`) is ended
and counts as failed. A failed test runs once more, alone: where it passes then, it is flaky and
printed. Tests in NEVER_AGAIN do not get a second run: one failure refuses and prints the seed.
More than MOST failures refuse without a second run. The last line is `N passed, N failed`; the exit
code is 0 or 1. `--self-test` runs planted tests through all of this."""

import fnmatch
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROFILE = "ci"

# Flaky tests that one run may have.
MOST = 5

# Tests that run at the same time. Most wait more than they compute; those that do not are a group
# with a limit of its own, or count as two (`.config/nextest.toml`).
THREADS = (os.cpu_count() or 2) * 3

# A folder in memory for the files of tests: a sync to a disk takes milliseconds, and tests wait for
# tens of thousands of them. It needs this much room, bytes.
MEMORY = pathlib.Path("/dev/shm")
ROOM = 4 << 30

# Tests that never run again, as patterns of "BINARY TEST" with the reason. They assert that chance,
# a kill or a fault makes no difference, or they depend on no clock. A second run would hide what
# they look for. A pattern that names a binary must match a test, so that none goes out of date.
NEVER_AGAIN = [
    ("everwarm-runtime* *", "the runtime"),
    ("everwarm-kernel *", "the order in which stages see facts"),
    ("everwarm-trading *", "stages are pure: their tests depend on no clock"),
    ("everwarm chaos::*", "kills, faults and how they are judged"),
    ("everwarm::tests crash_equivalence::*", "equality under kills and faults"),
    ("everwarm::tests sigkill::*", "equality under SIGKILL"),
    ("everwarm::tests branches::*", "branches that fail until their supervisor stops them"),
    ("everwarm::tests bad_days::*", "equality under faults of the venue"),
    ("everwarm::tests poison::*", "inputs that crash a stage"),
    ("everwarm::tests hostile::*", "a venue that lies"),
    ("everwarm::tests disk::*", "faults of the disk"),
    ("everwarm::tests segments::*", "lost segments of the journal"),
    ("everwarm::tests stores::*", "stores of older versions"),
    ("everwarm::tests audit::*", "every altered byte is found"),
    ("everwarm::tests cli::chaos::*", "kills, crashes and dying disks by command"),
    ("everwarm-sim server::tests::faults::*", "faults of the exchange"),
    ("everwarm-sim server::tests::hostile::*", "arbitrary requests"),
    ("everwarm::tests exchange::faults_*", "faults of the exchange by command"),
    ("everwarm::tests wire::*", "arbitrary bytes at every decoder"),
    ("* *::any_*", "properties: arbitrary input"),
    ("* *arbitrary*", "properties: arbitrary input"),
    ("* *random*", "properties: random histories"),
    ("* *however*", "properties: any order of events"),
    ("* *replay*", "equality of a replay"),
    ("* *_the_same*", "equality"),
    ("* *_equal*", "equality"),
    ("* *_kill*", "kills"),
    ("* *sigkill*", "kills"),
]

# Lines of a test's output that tell how to make its failure again.
TELLING = re.compile(r"seed|EVERWARM_PLAN|EVERWARM_FEED|minimal failing input|^cc [0-9a-f]{16}", re.I)


def surroundings():
    """The environment of the tests: their folders are in memory, where the system has room there."""
    if "TEST_FOLDERS" in os.environ or not MEMORY.is_dir():
        return None
    room = os.statvfs(MEMORY)
    if room.f_bavail * room.f_frsize < ROOM or room.f_flag & os.ST_NOEXEC:
        return None
    return {**os.environ, "TEST_FOLDERS": str(MEMORY)}


class Runner:
    """A package, how its tests are run, and what is said of them."""

    def __init__(self, root, never, say=print, quiet=False):
        self.root, self.never, self.say = root, never, say
        self.out = subprocess.DEVNULL if quiet else None
        target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", root / "target"))
        self.report = target / "nextest" / PROFILE / "junit.xml"

    def nextest(self, *arguments):
        """Runs tests; the exit code."""
        self.report.unlink(missing_ok=True)
        command = ["cargo", "nextest", "run", "--profile", PROFILE, "--locked",
                   "--test-threads", str(THREADS), *arguments]
        done = subprocess.run(command, cwd=self.root, stdin=subprocess.DEVNULL,
                              stdout=self.out, stderr=self.out, env=surroundings())
        return done.returncode

    def read(self):
        """The tests that the report names: "BINARY TEST", seconds, and the output of a failure."""
        if not self.report.exists():
            return []
        tests = []
        for case in xml.parse(self.report).getroot().iter("testcase"):
            bad = [child for child in case if child.tag in ("failure", "error")]
            said = None
            if bad:
                texts = [bad[0].get("type") or "", bad[0].get("message") or "", bad[0].text or ""]
                texts += [child.text or "" for child in case if child.tag.startswith("system-")]
                said = "\n".join(texts)
            name = "%s %s" % (case.get("classname"), case.get("name"))
            tests.append((name, float(case.get("time") or 0), said))
        return tests

    def never_again(self, name):
        """Why a test does not run again, or None."""
        return next((why for pattern, why in self.never if fnmatch.fnmatchcase(name, pattern)), None)

    def only(self, name):
        """The arguments that run one test alone."""
        binary, test = name.split(" ", 1)
        return ["--no-tests", "fail", "-E", "binary_id(=%s) & test(=%s)" % (binary, test)]

    def judge(self, *arguments):
        """Runs the tests and judges them: 0, or 1 where they refuse."""
        code = self.nextest(*arguments)
        tests = self.read()
        failed = [(name, said) for name, _, said in tests if said is not None]
        for name, said in failed:
            self.say("failed: %s (%s)" % (name, said.splitlines()[0] or "no reason given"))
        # 0: all passed. 100: a test failed. Another one: nextest itself, or the build.
        if code not in (0, 100) or (code == 100) != bool(failed) or not tests:
            self.say("refused: cargo nextest ended with %d after %d tests, %d of them failed"
                     % (code, len(tests), len(failed)))
            return 1
        slow = sorted(tests, key=lambda test: -test[1])[:5]
        self.say("the slowest tests:" + "".join("\n%7.1f s  %s" % (s, name) for name, s, _ in slow))
        refusals = [] if arguments else self.unused([name for name, _, _ in tests])
        for name, said in failed:
            why = self.never_again(name)
            if why is not None:
                refusals.append("%s failed and never runs again (%s)" % (name, why))
                refusals[-1] += self.telling(name, said)
        flaky, again = [], [name for name, _ in failed if self.never_again(name) is None]
        if len(again) > MOST:
            refusals.append("%d tests failed that may run again, %d at most:\n  %s"
                            % (len(again), MOST, "\n  ".join(again)))
        elif not refusals:
            for name in again:
                self.say("once more, alone: %s" % name)
                if self.nextest(*self.only(name)) == 0:
                    flaky.append(name)
                else:
                    refusals.append("%s failed twice" % name)
        for name in flaky:
            self.say("flaky: %s failed, and passed alone" % name)
        for refusal in refusals:
            self.say("refused: %s" % refusal)
        lost = len(failed) - len(flaky)
        self.say("%d passed, %d failed" % (len(tests) - lost, lost))
        return 1 if refusals else 0

    def unused(self, names):
        """Patterns that match no test."""
        return ["no test matches %r in scripts/run_tests.py: correct it or remove it" % pattern
                for pattern, _ in self.never
                if not pattern.startswith("* ") and not fnmatch.filter(names, pattern)]

    def telling(self, name, said):
        """What helps to make a failure again."""
        lines = [line.strip() for line in said.splitlines() if TELLING.search(line)]
        lines = lines[:20] or ["no seed was printed: its input is fixed"]
        lines.append("cargo nextest run " + " ".join(map(quoted, self.only(name)[2:])))
        return "".join("\n  " + line for line in lines)


def quoted(word):
    return "'%s'" % word if " " in word else word


PLANTED = """
#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;

    /// Notes a run of a test in a file: how many there were before.
    fn before(test: &str) -> usize {
        let before = std::fs::read_to_string(test).map_or(0, |text| text.len());
        write!(OpenOptions::new().create(true).append(true).open(test).unwrap(), "x").unwrap();
        before
    }

    fn planted(mode: &str) -> bool {
        std::env::var("PLANTED").unwrap().split(',').any(|one| one == mode)
    }

    fn fails_once(test: &str, mode: &str) {
        assert!(before(test) > 0 || !planted(mode), "the seed is 4711");
    }

    #[test]
    fn steady() {}
    #[test]
    fn always() {
        assert!(before("always") > 9 || !planted("always"));
    }
    #[test]
    fn hangs() {
        before("hangs");
        while planted("hangs") {
            std::thread::park();
        }
    }
    #[test]
    fn strict() {
        fails_once("strict", "strict");
    }
    #[test]
    fn flaky_1() {
        fails_once("flaky_1", "flaky");
    }
    #[test]
    fn flaky_2() {
        fails_once("flaky_2", "six");
    }
    #[test]
    fn flaky_3() {
        fails_once("flaky_3", "six");
    }
    #[test]
    fn flaky_4() {
        fails_once("flaky_4", "six");
    }
    #[test]
    fn flaky_5() {
        fails_once("flaky_5", "six");
    }
    #[test]
    fn flaky_6() {
        fails_once("flaky_6", "six");
    }
}
"""

# What is planted, the exit code, the last line, words of other lines, how often tests ran.
CASES = [
    ("nothing", 0, "10 passed, 0 failed", [], {"strict": 1}),
    ("flaky", 0, "10 passed, 0 failed",
     ["flaky: planted tests::flaky_1 failed, and passed alone"], {"flaky_1": 2, "flaky_2": 1}),
    ("always", 1, "9 passed, 1 failed", ["refused: planted tests::always failed twice"],
     {"always": 2}),
    ("strict", 1, "9 passed, 1 failed",
     ["refused: planted tests::strict failed and never runs again (equality)", "the seed is 4711",
      "cargo nextest run -E 'binary_id(=planted) & test(=tests::strict)'"], {"strict": 1}),
    ("strict,flaky", 1, "8 passed, 2 failed", [], {"strict": 1, "flaky_1": 1}),
    ("hangs", 1, "9 passed, 1 failed", ["failed: planted tests::hangs (test timeout",
      "refused: planted tests::hangs failed twice"], {"hangs": 2}),
    ("six", 0, "10 passed, 0 failed", ["flaky: planted tests::flaky_6 failed"], {"flaky_6": 2}),
    ("flaky,six", 1, "4 passed, 6 failed",
     ["refused: 6 tests failed that may run again, 5 at most"], {"flaky_1": 1, "flaky_6": 1}),
]


def self_test():
    """Planted tests that pass, fail once, fail always and hang."""
    never = [("planted *::strict", "equality")]
    os.environ.pop("CARGO_TARGET_DIR", None)
    with tempfile.TemporaryDirectory() as place:
        root = pathlib.Path(place)
        (root / "src").mkdir()
        (root / ".config").mkdir()
        package = '[package]\nname = "planted"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n'
        (root / "Cargo.toml").write_text(package)
        (root / "src" / "lib.rs").write_text(PLANTED)
        # The configuration of the repository, with a short limit.
        config = (ROOT / ".config" / "nextest.toml").read_text()
        short, limits = re.subn(r"(?m)^slow-timeout = .*$",
                                'slow-timeout = { period = "2s", terminate-after = 2 }', config)
        assert limits > 0, "no limit for every test in .config/nextest.toml"
        (root / ".config" / "nextest.toml").write_text(short)
        subprocess.run(["cargo", "generate-lockfile", "--offline", "--quiet"], cwd=root, check=True)
        for planted, code, last, words, runs in CASES:
            for file in root.iterdir():
                if file.is_file() and "." not in file.name:
                    file.unlink()
            os.environ["PLANTED"] = planted
            said = []
            got = Runner(root, never, said.append, quiet=True).judge()
            text = "\n".join(said)
            assert (got, said[-1]) == (code, last), (planted, got, text)
            for one in words:
                assert one in text, (planted, one, text)
            for test, count in runs.items():
                ran = len((root / test).read_text())
                assert ran == count, "%s: %s ran %d times" % (planted, test, ran)
        os.environ["PLANTED"] = "nothing"
        said = []
        stale = [("planted *::nobody", "renamed")]
        assert Runner(root, stale, said.append, quiet=True).judge() == 1, said
        assert "no test matches 'planted *::nobody'" in "\n".join(said), said
        (root / "src" / "lib.rs").write_text("it does not compile")
        said = []
        assert Runner(root, never, said.append, quiet=True).judge() == 1, said
        assert said[-1].startswith("refused: cargo nextest ended with 10"), said
    print("%d cases of the runner are as they must be" % (len(CASES) + 2))
    return 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        sys.exit(self_test())
    sys.exit(Runner(ROOT, NEVER_AGAIN).judge(*sys.argv[1:]))
