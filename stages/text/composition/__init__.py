"""The rules that make demonstrations, prompts, tasks and canaries from documents: one file per family."""
