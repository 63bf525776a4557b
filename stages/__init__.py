"""What is computed: every module here is one stage of the pipeline; every folder is what stages share."""

import environment
from stages import lean_imports

environment.apply()
lean_imports.install()
