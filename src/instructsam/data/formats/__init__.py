"""Readers of the field's published formats; each yields Inst2Seg records and says what it left out."""
