"""Other ways to run the same stages, measured beside ours: TaskIQ, FastStream, Celery."""
