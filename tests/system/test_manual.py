# SPDX-License-Identifier: MIT
"""The manual page says what the program does, and nothing else."""
import os
import re
import shlex
import subprocess
import unittest

from harness import TCPWATCH, needs

ROOT = os.path.join(os.path.dirname(__file__), os.pardir, os.pardir)
MANUAL = os.path.join(ROOT, "man", "tcpwatch.1")
# The sections that explain a command's options.
OF_ALL = "OPTIONS OF ALL COMMANDS"
OPTIONS = {
    "monitor": (OF_ALL, "OPTIONS OF MONITOR AND LIST", "OPTIONS OF MONITOR"),
    "list": (OF_ALL, "OPTIONS OF MONITOR AND LIST"),
    "server": (OF_ALL, "OPTIONS OF SERVER AND CLIENT", "OPTIONS OF SERVER"),
    "client": (OF_ALL, "OPTIONS OF SERVER AND CLIENT", "OPTIONS OF CLIENT"),
    "lab": (OF_ALL, "OPTIONS OF LAB"),
}


def run(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=60, check=False)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def plain(line):
    """A line of the source as it reads: '.BR \\-4 ", " x' is '-4, x'."""
    line = re.sub(r"\\f[BIR]", "", line).replace("\\-", "-")
    macro = re.match(r"\.([A-Z]+) ", line)
    if macro:
        words = shlex.split(line[macro.end():])
        line = ("" if len(macro[1]) == 2 else " ").join(words)
    return line


def section(title):
    """The lines of one section."""
    return re.search(rf"^\.SH {title}\n(.*?)(?=^\.SH |\Z)", read(MANUAL), re.M | re.S)[1]


def terms(title):
    """What a section explains: the line behind each .TP."""
    return [plain(line) for line in re.findall(r"^\.TP\n(.*)$", section(title), re.M)]


def options_of(*command):
    """The options in --help as they stand there: '-p, --port=PORTS'."""
    return set(re.findall(r"^ {2,6}(-\S+(?: --\S+)?)(?: .*)?$",
                          run(TCPWATCH, *command, "--help").stdout, re.M))


def allowed(*command):
    """What the refusal of a wrong value says is allowed."""
    return set(run(TCPWATCH, *command).stdout.split("allowed: ")[1].strip().split(", "))


class Manual(unittest.TestCase):
    def test_every_option_and_no_other(self):
        self.assertIn("-p, --port=PORTS", options_of("list"))
        for command, titles in OPTIONS.items():
            explained = [term for title in titles for term in terms(title)]
            self.assertEqual(set(explained), options_of(command), command)
            self.assertEqual(len(explained), len(set(explained)))
        self.assertLessEqual(options_of(), set(terms(OF_ALL)))

    def test_every_command(self):
        commands = set(re.findall(r"^  (\w+) {2,}", run(TCPWATCH, "--help").stdout, re.M))
        self.assertEqual(set(terms("DESCRIPTION")), commands)
        self.assertEqual(set(OPTIONS), commands)

    def test_every_scenario(self):
        table = dict(re.split(" {2,}", row, maxsplit=1)
                     for row in run(TCPWATCH, "lab").stdout.splitlines())
        self.assertEqual(terms("SCENARIOS OF THE LAB"), list(table))
        text = " ".join(section("SCENARIOS OF THE LAB").lower().split())
        for sentence in table.values():
            self.assertIn(f" {sentence.lower()}.", text)

    def test_every_state(self):
        states = set(terms("READING THE STATES"))
        self.assertLessEqual(allowed("monitor", "--until=x"), states)
        self.assertEqual(allowed("list", "--state=x") - {"NEW_SYN_RECV"}, states)

    def test_every_json_key_and_no_other(self):
        keys = {key for name in ("json.c", "json_endpoint.c", "json_lab.c", "object.c")
                for key in re.findall(r'set(?:_\w+)?\(\s*\w+,\s*"(\w+)"',
                                      read(os.path.join(ROOT, "src", "output", name)))}
        explained = {key for term in terms("JSON") for key in term.split(", ")}
        inner = {"address", "port", "kind", "expires_ms", "idle_s", "interval_s", "idle_ms",
                 "sending_ms", "connecting_ms"}
        self.assertIn("dwell_ms", keys)
        self.assertIn("noticed_ms", keys)
        self.assertEqual(explained | inner, keys)

    def test_every_list_column(self):
        columns = run(TCPWATCH, "list", "--port", "1").stdout.splitlines()[0].split()
        explained = [column for term in terms("COLUMNS OF LIST") for column in term.split(", ")]
        self.assertEqual(explained, columns)

    def test_version(self):
        title = re.search(r"^\.TH .*$", read(MANUAL), re.M)[0]
        self.assertIn(f'"{run(TCPWATCH, "--version").stdout.strip()}"', title)

    def test_card_example(self):
        self.assertIn("tcpwatch monitor --port 9998", plain(section("EXAMPLES")))

    def test_mandoc_is_silent(self):
        needs("mandoc")
        self.assertEqual(run("mandoc", "-Tlint", MANUAL).stdout, "")

    def test_groff_is_silent(self):
        needs("groff")
        self.assertEqual(run("groff", "-ww", "-man", "-Tutf8", "-z", MANUAL).stdout, "")


if __name__ == "__main__":
    unittest.main()
