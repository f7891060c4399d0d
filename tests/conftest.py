"""What every test needs."""

import os

os.environ["JAX_ENABLE_X64"] = "1"  # for tests that import JAX themselves, whatever --backend says
