"""The contract with an image: what it is told, and the ways in which it ends."""

import json
import os
import re
import sys
import traceback
from datetime import datetime, timedelta, timezone
from enum import IntEnum

PREFIX = "MIZUUMI_SOURCE_"


class Code(IntEnum):
    """Exit codes, those of sysexits.h: up to PROTOCOL it says whether another attempt makes sense."""

    USAGE = 64
    DATA = 65
    NO_INPUT = 66
    UNAVAILABLE = 69
    SOFTWARE = 70
    IO = 74
    PASSES = 75
    DENIED = 77
    CONFIG = 78


class Failure(Exception):
    """Why there is no data: the exit code, and a sentence that says what, where and what to do."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Run:
    """What the environment says of a run. The secret is taken out of the environment, so that nothing inherits it."""

    def __init__(self, environment):
        secret = environment.pop(PREFIX + "SECRET", None)
        self._said = {name: value for name, value in environment.items() if name.startswith("MIZUUMI_")}
        file = self._said.pop(PREFIX + "SECRET_FILE", None)
        if secret is None and file is not None:
            try:
                with open(file, encoding="utf-8") as mounted:
                    secret = mounted.read().rstrip("\n")
            except (OSError, UnicodeDecodeError) as error:
                raise Failure(Code.CONFIG, f"the file of MIZUUMI_SOURCE_SECRET_FILE cannot be read: {file}: {type(error).__name__}") from None
        self._secret = secret
        self.output = self._needed("MIZUUMI_OUTPUT").rstrip("/") + "/"
        self.session = moment(self._needed("MIZUUMI_SESSION_TIME"), "MIZUUMI_SESSION_TIME")
        self.run = self._said.get("MIZUUMI_RUN", "run")
        self.attempt = self._said.get("MIZUUMI_ATTEMPT", "1")

    def _needed(self, name):
        value = self._said.get(name)
        if not value:
            raise Failure(Code.CONFIG, f"{name} is not set: this image is run by an IngestRun, see docs/src/images.md")
        return value

    def option(self, name, default=None):
        """An option, or what it is if nobody says it."""
        return self._said.get(PREFIX + name.upper()) or default

    def needed(self, name):
        """An option without which nothing can be done."""
        value = self.option(name)
        if not value:
            raise Failure(Code.CONFIG, f"option '{name}' is missing in the SourceConnection or in the job's source")
        return value

    def number(self, name, default):
        """An option that is a whole number."""
        text = self.option(name, str(default))
        if not re.fullmatch(r"[0-9]{1,9}", text):
            raise Failure(Code.CONFIG, f"option '{name}' is '{text}', and has to be a whole number")
        return int(text)

    def one_of(self, name, *choices):
        """An option that is one of these words, the first unless it is said."""
        value = self.option(name, choices[0])
        if value not in choices:
            raise Failure(Code.CONFIG, f"option '{name}' is '{value}', and has to be one of {', '.join(choices)}")
        return value

    def credentials(self):
        """User name and password, or a bare secret without a name. The option `user` is for a secret that holds no name."""
        try:
            secret = json.loads(self._secret) if self._secret else None
        except ValueError:
            secret = None
        if not isinstance(secret, dict):
            return self.option("user"), self._secret
        name = secret.get("username", secret.get("user"))
        return name or self.option("user"), secret.get("password", secret.get("token"))

    def without_secrets(self, text):
        """A text as it may be shown. What is too short to be a secret is left: it would tear words apart, and tell by that."""
        hidden = {self._secret, self.credentials()[1]}
        try:
            secret = json.loads(self._secret) if self._secret else None
        except ValueError:
            secret = None
        if isinstance(secret, dict):
            hidden |= {value for name, value in secret.items() if name not in NO_SECRETS}
        for value in sorted((str(value) for value in hidden if value), key=len, reverse=True):
            if len(value) >= 4:
                text = text.replace(value, "***")
        return text

    def range(self):
        """The range of the cursor, as texts: from, inclusive, to, exclusive; either may be open."""
        to, start, window = self.option("to"), self.option("from"), self.option("window")
        if window and start:
            raise Failure(Code.CONFIG, "options 'window' and 'from' exclude each other: both say where the range begins")
        if window:
            end = moment(to, "option 'to'") if to else self.session
            return told(end - length(window)), told(end)
        return start, to or told(self.session)


# Members of a secret that tell where and who: RDS keeps them beside the password.
NO_SECRETS = {"username", "user", "host", "port", "dbname", "engine", "dbInstanceIdentifier", "dbClusterIdentifier"}


def moment(text, what):
    """A time as RFC 3339 has it."""
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise Failure(Code.CONFIG, f"{what} is '{text}', and has to be a time such as 2026-11-02T00:00:00Z") from None
    return time.replace(tzinfo=time.tzinfo or timezone.utc).astimezone(timezone.utc)


def told(time):
    """A time as results tell it."""
    return time.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def length(text):
    """A duration such as 90m, 1h or 1d."""
    if not re.fullmatch(r"[1-9][0-9]{0,6}[mhd]", text):
        raise Failure(Code.CONFIG, f"option 'window' is '{text}', and has to be a duration such as 90m, 1h or 1d")
    return timedelta(**{{"m": "minutes", "h": "hours", "d": "days"}[text[-1]]: int(text[:-1])})


def main(read, environment=os.environ):
    """Runs `read(run)`, says on standard error how it went, and ends the process with the code."""
    code, message = outcome(read, environment)
    print(message, file=sys.stderr, flush=True)
    # What is half done ends here: an upload to S3 that was not closed would be waited for, and a query's rows would be read to their end.
    os._exit(int(code))


def outcome(read, environment):
    """What comes of `read(run)`: the exit code, and the last line of the log."""
    run = None
    try:
        run = Run(environment)
        rows = read(run)
        return 0, f"{rows} rows in {run.output}"
    except Failure as failure:
        message, code = str(failure), failure.code
    except MemoryError:
        message, code = "there is not enough memory: give the task more", Code.SOFTWARE
    except Exception as error:  # a mistake of this program: where it is, and nothing of what it was about
        frames = traceback.extract_tb(error.__traceback__)
        where = " < ".join(f"{os.path.basename(frame.filename)}:{frame.lineno}" for frame in frames[::-1][:6])
        message, code = f"{type(error).__name__}: {error} (at {where})", Code.SOFTWARE
    return code, run.without_secrets(message) if run else message
