"""The trainings, the table and the figures of arXiv:2312.08228."""
