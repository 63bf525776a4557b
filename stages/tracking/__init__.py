"""What MLflow is told about a run, and nothing else."""
