"""Plans for people: as text on a terminal, as Markdown under a pull request."""
