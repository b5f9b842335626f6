"""The model card as a document: gathered from the registry, worded in Chinese and English, written as Markdown, HTML and PDF."""
