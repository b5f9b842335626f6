"""Documents of a few kinds of blocks, and how they become Markdown, HTML and PDF."""
