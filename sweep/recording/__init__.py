"""Recording of runs that this project does not train, into the same store: `Run`."""

from sweep.recording.run import Run as Run
from sweep.recording.run import RunEnded as RunEnded
