"""Readers of published formats; each yields Inst2Seg records and counts what it leaves out."""
