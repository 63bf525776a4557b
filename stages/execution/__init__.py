"""How one stage's process is kept alone, honest and on record; nothing here changes a result."""
