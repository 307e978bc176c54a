"""What identifies a person in a slide's files: finding it, leaving it out of a copy, and proving that it is out.

What is kept is an allow-list, format by format; all else stays behind. A file that is not understood is refused.
"""
