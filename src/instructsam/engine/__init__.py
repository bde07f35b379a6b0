"""The data engine: from images to verified instruction-instance records. No torch.

A row is an image with its objects (`rows`). `flow` decides which tasks of a row come next. A task is one stage about
one row (`tasks`), and its result is a part, kept in the ledger (`ledger`). A runner (`runners`) performs the tasks that
the ledger does not hold. Stages are pure functions (`stages`). Finished rows are filtered, balanced and written.
"""
