"""
The errors of this package: one family, one class per decision a caller can take.

Every message names the thing, what was found and what to do about it. Classes also inherit the
built-in exception that a caller would have guessed (``ValueError``, ``TimeoutError``, ...), so that
code which knows nothing of this package can still handle them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from api_simulator._core.verify import VerificationReport


class ApiSimulatorError(Exception):
    """Base of every error raised by this package."""


class SpecError(ApiSimulatorError, ValueError):
    """A response, header, body or delay that cannot be put on the wire as described."""


class RouteError(ApiSimulatorError, ValueError):
    """A method, path, condition or sequence that cannot be registered."""


class OptionError(ApiSimulatorError, ValueError):
    """An option (argument, marker, ini or environment) with a value that does not exist."""


class EngineUnavailableError(ApiSimulatorError, RuntimeError):
    """The engine that was asked for is not installed here."""


class PortInUseError(ApiSimulatorError, OSError):
    """The host and port asked for cannot be bound."""


class ServerStateError(ApiSimulatorError, RuntimeError):
    """The call needs a running server (or one that does not run yet)."""


class JournalOverflowError(ApiSimulatorError, LookupError):
    """The answer would need captured requests that the journal's bound has dropped."""


class BodyError(ApiSimulatorError, ValueError):
    """A captured body cannot be decoded; ``raw_body`` still has the bytes as received."""


class WaitTimeoutError(ApiSimulatorError, TimeoutError):
    """Something waited for did not happen in time."""


class VerificationError(ApiSimulatorError, AssertionError):
    """
    The traffic was not what the test said it would be.

    Attributes:
        report: The verdict that the message was written from.
    """

    def __init__(self, message: str, report: VerificationReport | None = None) -> None:
        super().__init__(message)
        self.report = report


class NoRouteError(VerificationError):
    """Requests arrived that no route matched."""


class ScriptError(ApiSimulatorError, ValueError):
    """A fake program's script holds something that cannot be played."""


class ScriptFileError(ScriptError):
    """A script file that cannot be read, or says what cannot be played; the text names file, line and part."""


class ProgramTimeoutError(ApiSimulatorError, TimeoutError):
    """
    A program did not end in time; its whole process group was ended.

    Attributes:
        stdout: What it had written to standard output until then.

        stderr: What it had written to standard error until then.
    """

    def __init__(self, message: str, *, stdout: str, stderr: str) -> None:
        super().__init__(message)
        self.stdout = stdout
        self.stderr = stderr


class ProgramStartError(ApiSimulatorError, OSError):
    """A program does not exist or cannot be started; the text says where it was looked for, and what is nearest."""


class UnreachedScriptError(ApiSimulatorError, AssertionError):
    """
    A fake program ended before something its script announced could happen.

    Attributes:
        result: The run that was to show it, or None when the program was run by other code.
    """

    def __init__(self, message: str, result: object | None = None) -> None:
        super().__init__(message)
        self.result = result


class UnsupportedPlatformError(ApiSimulatorError, NotImplementedError):
    """This part of the package does not work on this operating system."""


class ProgramStateError(ApiSimulatorError, RuntimeError):
    """The call needs a fake program that is still open."""


class MissingExtraError(ApiSimulatorError, ModuleNotFoundError):
    """A feature needs a package that an extra of this one installs."""


class PatternTimeoutError(ApiSimulatorError, TimeoutError):
    """A regular expression took too long on a request."""


class UnexpectedCallError(VerificationError):
    """A fake program was called in a way that no script fits, or could not do what its script says."""


class ServiceError(ApiSimulatorError, LookupError):
    """There is no fake service of that name, or it cannot be loaded."""


class PluginError(ApiSimulatorError, RuntimeError):
    """What a plug-in offers cannot be used: it raised, is of the wrong kind, or has a name that is taken."""


class ConformanceError(VerificationError):
    """Something of a third party does not keep the contract that it was checked against."""


class LivenessError(ApiSimulatorError, AssertionError):
    """A server did not answer in time while it was busy with something else."""


class ScenarioError(ApiSimulatorError, ValueError):
    """A recording that cannot be read as it is; the text names file, line, field and what to do."""


class RecordingError(ApiSimulatorError, OSError):
    """A step could not be written to the disk; the steps recorded before it are whole."""


class RecorderStateError(ApiSimulatorError, RuntimeError):
    """The folder is being recorded into by somebody else, or the recorder is finalized."""


class UnrecordedStepError(VerificationError):
    """Something was asked for that the recording does not hold, or was not asked for what it holds."""


class EscapedRequestError(ApiSimulatorError, RuntimeError):
    """A request that was to be intercepted went another way."""


class VirtualTimeError(ApiSimulatorError, RuntimeError):
    """Virtual time cannot go on without guessing: something waits that the clock does not see."""
