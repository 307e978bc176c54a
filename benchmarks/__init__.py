"""Scripts that measure. As in a worker of `pulmoscope run`, BLAS has one thread: it must be told before NumPy loads."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
