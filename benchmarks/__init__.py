"""One module for each area, each measuring the peer beside us in the same run; `make benchmark` runs them all."""
