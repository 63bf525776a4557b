"""When things run: the pipeline as a Prefect flow."""

import environment

environment.apply()
