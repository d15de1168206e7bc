# SPDX-License-Identifier: MIT
"""A wrong command line: one line that says what was given, why it is wrong and what is allowed."""
import os
import subprocess
import tempfile
import unittest

from harness import AS_NOBODY, TCPWATCH, NetworkTest, needs_other_user
from test_manual import OPTIONS, allowed, options_of

COMMANDS = set(OPTIONS)


def names_of(*command):
    """Every name of every option in --help."""
    return {name.split("=")[0] for option in options_of(*command) for name in option.split(", ")}


class Refusals(unittest.TestCase):
    def refuse(self, *args):
        """The line, without its newline."""
        done = subprocess.run([TCPWATCH, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=10, check=False)
        self.assertEqual(done.returncode, 64, (args, done.stderr))
        self.assertEqual(done.stdout, "")
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertTrue(done.stderr.endswith("\n"))
        self.assertIn("; allowed: ", done.stderr)
        return done.stderr[:-1]

    def reason(self, *args):
        """What is wrong, without the program's name and what is allowed."""
        line = self.refuse(*args).split("; allowed: ")[0]
        name = "tcpwatch: " if args[0] not in COMMANDS else f"tcpwatch {args[0]}: "
        self.assertTrue(line.startswith(name), line)
        return line[len(name):]


class Options(Refusals):
    def test_unknown_option_lists_those_of_the_command(self):
        for command in COMMANDS:
            for option in "--frobnicate", "-x":
                self.assertEqual(self.reason(command, option), f"'{option}' is no option")
                self.assertEqual(allowed(command, option), names_of(command))
        self.assertEqual(self.reason("--frobnicate"), "'--frobnicate' is no option")
        self.assertEqual(allowed("--frobnicate"), names_of() | COMMANDS)

    def test_unknown_option_names_the_nearest(self):
        for given, meant in [("--prot", "--port"), ("--prot=80", "--port"), ("--PORT", "--port"),
                             ("--stat", None), ("--colour=always", "--color"), ("-P", "-p"),
                             ("--kepalive", None), ("--jsno", "--json")]:
            with self.subTest(given=given):
                line = self.refuse("list", given)
                if meant:
                    self.assertIn(f"(did you mean '{meant}'?)", line)
                else:
                    self.assertNotIn("did you mean", line)
        self.assertIn("(did you mean '--keepalive'?)", self.refuse("client", "--kepalive=3"))
        self.assertIn("(did you mean '--version'?)", self.refuse("--verison"))

    def test_short_options_in_a_cluster(self):
        for cluster in "-jx", "-xj", "-jxH":
            self.assertEqual(self.reason("list", cluster), "'-x' is no option")

    def test_option_of_another_command_names_it(self):
        self.assertEqual(self.reason("list", "--until", "CLOSE"),
                         "'--until' is an option of monitor")
        self.assertEqual(self.reason("list", "-d", "5"), "'-d' is an option of monitor")
        self.assertEqual(self.reason("server", "--state=CLOSE"),
                         "'--state' is an option of monitor, list")
        self.assertEqual(self.reason("monitor", "--keepalive=5"),
                         "'--keepalive' is an option of server, client")
        self.assertEqual(allowed("list", "--until", "CLOSE"), names_of("list"))

    def test_option_before_the_command(self):
        for option in "--port", "-p":
            self.assertEqual(self.reason(option, "80", "monitor"),
                             f"'{option}' stands before the command, which comes first")
            self.assertEqual(allowed(option, "80", "monitor"),
                             {f"{command} {option}" for command in ("monitor", "list", "server")})

    def test_value_for_an_option_without_one(self):
        for value in "1", "":
            self.assertEqual(self.reason("monitor", f"--json={value}"),
                             f"--json: '{value}' is a value, and this option takes none")
        self.assertEqual(allowed("monitor", "--json=1"), {"-j", "--json"})
        self.assertEqual(self.reason("monitor", "--js=1"),
                         "--json: '1' is a value, and this option takes none")
        self.assertIn("--version: '3' is a value", self.refuse("--version=3"))

    def test_option_without_its_value(self):
        for option in "--port", "-p":
            self.assertEqual(self.reason("list", option), f"'{option}' lacks its value")
            self.assertEqual(allowed("list", option), {"-p", "--port=PORTS"})
        self.assertEqual(allowed("server", "--model"), {"--model=event|fork"})

    def test_beginning_of_more_than_one_option(self):
        self.assertEqual(self.reason("list", "--no"),
                         "'--no' is the beginning of more than one option")
        self.assertEqual(allowed("list", "--no"), {"--no-header", "--no-owner"})

    def test_beginning_of_one_option_is_enough(self):
        self.assertIn("--process: ''", self.refuse("list", "--pro="))
        self.assertIn("--state: 'x'", self.refuse("list", "--sta", "x"))

    def test_control_bytes_of_an_option_never_reach_the_terminal(self):
        self.assertEqual(self.reason("list", "--a\x1b[31m\n"), "'--a\\x1b[31m\\x0a' is no option")
        self.assertEqual(self.reason("list", "-\x07"), "'-\\x07' is no option")
        self.assertEqual(self.reason("list", "--json=\x1b"),
                         "--json: '\\x1b' is a value, and this option takes none")

    def test_what_argp_has_besides_is_no_option(self):
        for option in "--HANG=1", "--program-name=x":
            self.assertIn("is no option", self.refuse("list", option))


class Commands(Refusals):
    def test_missing_command(self):
        self.assertEqual(self.refuse(), "tcpwatch: a command is missing; "
                                        "allowed: monitor, list, server, client, lab")

    def test_unknown_command_names_the_nearest(self):
        for given, meant in [("moniter", "monitor"), ("mon", "monitor"), ("MONITOR", "monitor"),
                             ("Lst", "list"), ("cl", "client")]:
            self.assertEqual(self.refuse(given),
                             f"tcpwatch: COMMAND: '{given}' is no command (did you mean "
                             f"'{meant}'?); allowed: monitor, list, server, client, lab")
        for given in "", "frobnicate":
            self.assertNotIn("did you mean", self.refuse(given))


class Durations(Refusals):
    def test_too_long_names_the_most(self):
        for command, option in [("monitor", "--duration"), ("monitor", "--stuck"),
                                ("server", "--idle-timeout"), ("client", "--every")]:
            line = self.refuse(command, f"{option}=99999999999h")
            self.assertIn("'99999999999h' is too long; ", line)
            self.assertIn(", at most 87600h (3650 days)", line)
            self.assertIn("is too long", self.refuse(command, f"{option}=87601h"))
            self.assertIn("is no duration", self.refuse(command, f"{option}=99999999999d"))


class Values(Refusals):
    def check(self, rows):
        for args, reason in rows:
            with self.subTest(args=args):
                self.assertEqual(self.reason(*args.split()), reason)

    def test_host_and_port_in_one_argument(self):
        self.check([("client 127.0.0.1:80", "HOST: '127.0.0.1:80' is no host"),
                    ("client [::1]:80", "HOST: '[::1]:80' is no host"),
                    ("client 9998", "HOST: '9998' is no host"),
                    ("client 127.1", "HOST: '127.1' is no host")])

    def test_address_that_no_host_has(self):
        for command in "server --bind", "client --bind":
            self.check([
                (f"{command} fe80::1", "--bind: 'fe80::1' is link-local, and lacks its device"),
                (f"{command} 224.0.0.1", "--bind: '224.0.0.1' is no address of one host"),
                (f"{command} 255.255.255.255",
                 "--bind: '255.255.255.255' is no address of one host"),
                (f"{command} ff02::1", "--bind: 'ff02::1' is no address of one host")])
        self.check([("client fe80::1", "HOST: 'fe80::1' is link-local, and lacks its device"),
                    ("client 224.0.0.1", "HOST: '224.0.0.1' is no address of one host")])

    def test_families_that_contradict_each_other(self):
        self.check([
            ("client -4 ::1", "HOST: '::1' is of the other family"),
            ("client 127.0.0.1 -6", "HOST: '127.0.0.1' is of the other family"),
            ("client -b ::1 127.0.0.1", "HOST: '127.0.0.1' is of another family than --bind"),
            ("client -4 -b ::1", "-4: '::1' is the address of --bind, of the other family"),
            ("server -4", "-4: '127.0.0.1' is the address to listen on, and has a family of its "
                          "own")])

    def test_family_without_its_addresses(self):
        self.check([
            ("list -4 -a ::1", "-4 and --address: '::1' is none of IPv4"),
            ("monitor -a ::/0 -4", "-4 and --address: '::/0' is none of IPv4")])

    def test_process_that_cannot_be(self):
        self.check([
            ("list --process=sixteen-letters-", "--process: 'sixteen-letters-' is longer than the "
                                                "kernel's names of processes"),
            ("list --process=1 --process=2", "--process: '2' is a second process"),
            ("monitor --process=4194305", "--process: '4194305' is no process that is here"),
            ("list --process=99999999999", "--process: '99999999999' is no process that is here"),
            ("list --process=0", "--process: '0' is no process that is here")])

    def test_all_namespaces_where_they_cannot_be(self):
        self.check([
            ("list --netns=all", "--netns: 'all' is for monitor only"),
            ("monitor -N all --source=poll", "--netns: 'all' is beyond --source=poll"),
            ("monitor -N all -a fe80::1%lo",
             "--address: 'fe80::1%lo' names a device, and each network namespace has its own"),
            ("monitor -N all -N 1", "--netns: '1' is a second network namespace")])

    def test_number_too_large_names_the_most(self):
        for option in "monitor --count", "client --count", "server --max-connections":
            line = self.refuse(*option.split(), "18446744073709551616")
            self.assertIn("allowed: a whole number from 1 to 18446744073709551615", line)


class Said(NetworkTest):
    """What is wrong at run time only."""

    def test_control_bytes_of_a_value_never_reach_the_terminal(self):
        done = self.tcpwatch("client", "\x1b[31m")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"^tcpwatch: HOST: '\\x1b\[31m' is not known: .*\n$")

    def test_control_bytes_of_a_path_never_reach_the_terminal(self):
        needs_other_user()
        with tempfile.TemporaryDirectory() as closed:  # to its owner alone
            done = self.tcpwatch("list", "--netns", closed + "/\x1b[31m", prefix=AS_NOBODY)
        self.assertEqual((done.returncode, done.stderr),
                         (1, f"tcpwatch: cannot open the network namespace {closed}/\\x1b[31m: "
                             "it needs root (CAP_SYS_PTRACE)\n"))

    def test_default_host_is_of_the_family(self):
        for args in ["-6"], ["-b", "::1"]:
            self.assertIn(" [::1]:9998 refused ", self.tcpwatch("client", *args).stderr)


class Output(NetworkTest):
    def write_to(self, file, *args):
        return subprocess.run([TCPWATCH, *args], stdout=file, stderr=subprocess.PIPE, text=True,
                              timeout=10, check=False)

    def test_full_disk_under_help(self):
        for args in (["--help"], ["--usage"], ["--version"], ["list", "--help"],
                     ["client", "--usage"], ["monitor", "--version"]):
            with self.subTest(args=args), open("/dev/full", "w", encoding="ascii") as full:
                done = self.write_to(full, *args)
                self.assertEqual(done.returncode, 1)
                self.assertRegex(done.stderr, r"^tcpwatch: .*No space left on device\n$")

    def test_closed_descriptor_under_help(self):
        done = subprocess.run(f"{TCPWATCH} --help >&-", shell=True, stderr=subprocess.PIPE,
                              text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"^tcpwatch: .*Bad file descriptor\n$")

    def test_closed_pipe_ends_quietly(self):
        self.listen()
        for args in ["list"], ["list", "--json"], ["list", "--help"], ["--help"], ["--version"]:
            with self.subTest(args=args):
                reading, writing = os.pipe()
                os.close(reading)
                with os.fdopen(writing, "w") as pipe:
                    # Python has SIGPIPE ignored, and subprocess restores it: as in a shell.
                    done = self.write_to(pipe, *args)
                self.assertEqual((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
