# SPDX-License-Identifier: MIT
"""Tab in real shells: what bash, zsh and fish offer for tcpwatch."""
import os
import re
import select
import shlex
import subprocess
import tempfile
import time
import unittest

from harness import TCPWATCH, NetworkTest, die_with_parent, needs, open_terminal, write
from test_manual import allowed, options_of

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir)
COMPLETIONS = os.path.normpath(os.path.join(ROOT, "completions"))
TIMEOUT_S = 60
# The completions ask tcpwatch itself for the names of scenarios.
PATH = os.path.dirname(TCPWATCH) + os.pathsep + os.environ["PATH"]

# In bash and zsh a key inserts all completions into the line. The line is then run, and this
# function in the place of tcpwatch says which words came out.
ECHO = "tcpwatch() { printf '<%s>\\n' \"$@\"; echo; echo '<end>'; }\n"
INSERT_ALL = "\x18\x01"  # Ctrl-X Ctrl-A

BASH = f"""
PS1='' PS2=''
bind 'set bell-style none'
bind 'set enable-bracketed-paste off'
bind '"\\C-x\\C-a": insert-completions'
source '{COMPLETIONS}/tcpwatch.bash'
{ECHO}
"""

ZSH = f"""
PROMPT='' RPROMPT='' zle_bracketed_paste=()
unsetopt prompt_cr prompt_sp beep
fpath=('{COMPLETIONS}' $fpath)
autoload -U compinit && compinit -u -D
zle -C all-matches complete-word _generic
bindkey '^X^A' all-matches
zstyle ':completion:all-matches::::' completer _all_matches _complete
zstyle ':completion:all-matches:*' insert true
{ECHO}
"""


def names_of(*command):
    """The options that --help lists, each by its long name or, for want of one, its short one."""
    return {option.split(", ")[-1].split("=")[0] for option in options_of(*command)}


class Terminal:
    """An interactive shell on a terminal of its own."""

    def __init__(self, test, argv, setup):
        self.home = tempfile.TemporaryDirectory()
        test.addCleanup(self.home.cleanup)
        file = os.path.join(self.home.name, "setup")
        write(file, setup)
        master, slave = open_terminal()
        self.master = master
        test.addCleanup(os.close, master)
        shell = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=die_with_parent, cwd=self.home.name,
            env={"PATH": PATH, "HOME": self.home.name, "TERM": "dumb",
                 "COLUMNS": "5000", "LC_ALL": "C.UTF-8"})
        os.close(slave)
        test.addCleanup(shell.wait)
        test.addCleanup(shell.kill)
        self.run(f". {file}; tcpwatch ready")

    def run(self, keys):
        """Types a line and returns the words that tcpwatch got."""
        text, deadline = "", time.monotonic() + TIMEOUT_S
        os.write(self.master, keys.encode() + b"\r")
        while not re.search(r"^<end>\r?$", text, re.M):
            if not select.select([self.master], [], [], max(0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"the shell said nothing more after\n{text}")
            text += os.read(self.master, 65536).decode(errors="replace")
        return [word for word in re.findall(r"^<(.*)>\r?$", text, re.M) if word != "end"]

    def complete(self, line):
        """What is offered for the last word of the line."""
        before, current = split(line)
        words = self.run(line + INSERT_ALL)
        return offered(words[len(before):], current) - {current}


class Fish:
    """fish has a command that says what Tab would offer."""

    def __init__(self, test, file):
        self.home = tempfile.TemporaryDirectory()
        test.addCleanup(self.home.cleanup)
        self.file = file

    def complete(self, line):
        done = subprocess.run(
            ["fish", "--no-config", "-c", f"source '{self.file}'; complete -C {shlex.quote(line)}"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=TIMEOUT_S,
            check=True, cwd=self.home.name,
            env={"PATH": PATH, "HOME": self.home.name, "LC_ALL": "C.UTF-8"})
        if done.stderr:
            raise AssertionError(done.stderr)
        words = [row.split("\t")[0] for row in done.stdout.splitlines()]
        return offered(words, split(line)[1])


def split(line):
    """The words before the one that is completed, without tcpwatch itself, and that one."""
    *before, current = line.split(" ")[1:]
    return before, current


def offered(words, current):
    """The bare values: shells differ in what they put before and behind them."""
    option = current[:current.index("=") + 1] if "=" in current else ""
    return {word[len(option) if word.startswith(option) else 0:].rstrip("=") for word in words}


class Offers:
    """What each of the shells has to offer."""

    def setUp(self):
        super().setUp()
        self.shell = self.start()

    def complete(self, line):
        return self.shell.complete(line)

    def test_commands(self):
        self.assertEqual(self.complete("tcpwatch l"), {"list", "lab"})
        self.assertLessEqual({"monitor", "list", "server", "client", "lab"}, self.complete("tcpwatch "))

    def test_options_are_those_of_help(self):
        for command in [], ["monitor"], ["list"], ["server"], ["client"], ["lab"]:
            there = self.complete(" ".join(["tcpwatch", *command, "-"]))
            options = names_of(*command)
            self.assertIn("--help", options)
            self.assertLessEqual(options, there)
            # Besides, only the short names of the same.
            extra = there - options
            self.assertEqual({name for name in extra if len(name) != 2}, set())

    def test_option_by_its_beginning(self):
        self.assertEqual(self.complete("tcpwatch monitor --st"), {"--state", "--stuck"})
        self.assertEqual(self.complete("tcpwatch list --st"), {"--state"})

    def test_options_after_a_value(self):
        self.assertEqual(self.complete("tcpwatch list --port 9998 --js"), {"--json"})
        self.assertEqual(self.complete("tcpwatch list --state=CLOSE --js"), {"--json"})

    def test_states(self):
        states = allowed("list", "--state=x")
        for option in "--state ", "--state=", "-s ":
            self.assertEqual(self.complete("tcpwatch list " + option), states)
        self.assertEqual(self.complete("tcpwatch monitor --until "),
                         allowed("monitor", "--until=x"))
        self.assertEqual(self.complete("tcpwatch monitor --until=FIN"), {"FIN_WAIT1", "FIN_WAIT2"})

    def test_states_in_lower_case(self):
        self.assertEqual(self.complete("tcpwatch list --state la"), {"LAST_ACK"})
        self.assertEqual(self.complete("tcpwatch list --state=la"), {"LAST_ACK"})

    def test_states_after_a_comma(self):
        for option in "--state ", "--state=":
            self.assertEqual(self.complete(f"tcpwatch list {option}CLOSE_WAIT,FIN"),
                             {"CLOSE_WAIT,FIN_WAIT1", "CLOSE_WAIT,FIN_WAIT2"})

    def test_fixed_values(self):
        for option in "--source", "--color":
            values = allowed("monitor", option + "=x")
            self.assertEqual(self.complete(f"tcpwatch monitor {option}="), values)
            self.assertEqual(self.complete(f"tcpwatch monitor {option} "), values)
        self.assertEqual(self.complete("tcpwatch list --color al"), {"always"})
        self.assertEqual(self.complete("tcpwatch server --model "),
                         allowed("server", "--model=x"))
        self.assertEqual(self.complete("tcpwatch server --bind "), {"any"})
        self.assertEqual(self.complete("tcpwatch client --on-eof="),
                         allowed("client", "--on-eof=x"))

    def test_scenarios(self):
        names = {row.split()[0] for row in subprocess.run(
            [TCPWATCH, "lab"], stdout=subprocess.PIPE, text=True,
            check=True).stdout.splitlines()}
        self.assertEqual(self.complete("tcpwatch lab "), names | {"all"})
        self.assertEqual(self.complete("tcpwatch lab refused keep"),
                         {"keepalive", "keepalive-with-user-timeout"})

    def test_ports_by_service_name(self):
        if not os.path.exists("/etc/services"):
            self.skipTest("there is no /etc/services")
        self.assertIn("domain", self.complete("tcpwatch list --port doma"))
        self.assertIn("22,domain", self.complete("tcpwatch list --local-port=22,doma"))

    def test_network_namespaces(self):
        write("/run/netns/blue", "")
        write("/run/netns/blues", "")
        write("/run/netns/red", "")
        self.assertEqual(self.complete("tcpwatch list --netns bl"), {"blue", "blues"})
        self.assertEqual(self.complete("tcpwatch monitor -N r"), {"red"})
        self.assertEqual(self.complete("tcpwatch monitor --netns al"), {"all"})
        self.assertEqual(self.complete("tcpwatch list --netns al"), set())
        paths = self.complete("tcpwatch list --netns /run/netn")
        self.assertEqual({path.rstrip("/") for path in paths}, {"/run/netns"})

    def test_names_that_a_shell_could_obey(self):
        """A process or namespace is called what somebody likes."""
        needs("ps")
        write("/run/netns/od$(touch x)", "")
        write("/proc/self/comm", "od;touch x")
        self.assertEqual(self.complete("tcpwatch list --netns od"), {"od$(touch x)"})
        self.assertIn("od;touch x", self.complete("tcpwatch list --process od"))
        self.assertNotIn("x", os.listdir(self.shell.home.name))

    def test_processes_by_name(self):
        needs("ps")
        write("/proc/self/comm", "tcpwatchtest")
        self.assertIn("tcpwatchtest", self.complete("tcpwatch list --process tcpwatchte"))


class Tab:
    """What one Tab makes of a word, in the shells that have a terminal here."""

    def test_tab(self):
        for typed, line in [
                ("tcpwatch li\t--sta\tla\t", ["list", "--state=LAST_ACK"]),
                ("tcpwatch list -s fin-w\t2\t", ["list", "-s", "FIN_WAIT2"]),
                ("tcpwatch mon\t--js\t--until=time\t", ["monitor", "--json", "--until=TIME_WAIT"]),
        ]:
            self.assertEqual(self.shell.run(typed), line)


class Bash(Offers, Tab, NetworkTest):
    def start(self):
        needs("bash")
        return Terminal(self, ["bash", "--noprofile", "--norc", "-i"], BASH)


class Zsh(Offers, Tab, NetworkTest):
    def start(self):
        needs("zsh")
        return Terminal(self, ["zsh", "-f", "-i"], ZSH)


class Installed(unittest.TestCase):
    """Where make install puts them, as this tree was configured."""

    def directory(self, variable):
        makefile = os.path.join(os.path.dirname(TCPWATCH), "Makefile")
        if not os.path.exists(makefile):
            self.skipTest("there is no Makefile beside tcpwatch")
        with open(makefile, encoding="utf-8") as file:
            values = dict(re.findall(r"^(\w+) = (.*)$", file.read(), re.M))
        if values["prefix"] not in ("/usr", "/usr/local"):
            self.skipTest("shells look in /usr and /usr/local only")
        path = values[variable]
        while "${" in path:
            path = re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], path)
        return path

    def test_zsh_looks_there(self):
        needs("zsh")
        path = self.directory("zshcompletiondir")
        places = subprocess.run(["zsh", "-fc", "print -l $fpath"], stdout=subprocess.PIPE,
                                text=True, check=True).stdout.splitlines()
        self.assertIn(path, places)

    def test_fish_looks_there(self):
        needs("fish")
        path = self.directory("fishcompletiondir")
        done = subprocess.run(
            ["fish", "-c", "printf '%s\\n' $fish_complete_path"], stdout=subprocess.PIPE, text=True,
            stderr=subprocess.DEVNULL, check=True,
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent",
                 "XDG_DATA_DIRS": "/usr/local/share:/usr/share"})
        self.assertIn(path, done.stdout.splitlines())


class FishShell(Offers, NetworkTest):
    def start(self):
        needs("fish")
        return Fish(self, f"{COMPLETIONS}/tcpwatch.fish")


if __name__ == "__main__":
    unittest.main()
