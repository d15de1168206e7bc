# SPDX-License-Identifier: MIT
"""A wrong command line: one line that says what was given, why it is wrong and what is allowed."""
import subprocess
import unittest

from harness import TCPWATCH

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


class Durations(Refusals):
    def test_too_long_names_the_most(self):
        for command, option in [("monitor", "--duration"), ("monitor", "--stuck"),
                                ("server", "--idle-timeout"), ("client", "--every")]:
            line = self.refuse(command, f"{option}=99999999999h")
            self.assertIn("'99999999999h' is too long; ", line)
            self.assertIn(", at most 87600h (3650 days)", line)
            self.assertIn("is too long", self.refuse(command, f"{option}=87601h"))
            self.assertIn("is no duration", self.refuse(command, f"{option}=99999999999d"))


if __name__ == "__main__":
    unittest.main()
