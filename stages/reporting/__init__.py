"""What people read about a run: the page, the cards, and the charts in them."""
