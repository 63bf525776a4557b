"""What a trained model gets wrong: one file per kind of fault, each giving findings with figures and examples."""
