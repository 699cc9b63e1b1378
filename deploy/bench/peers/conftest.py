"""Keep pytest from importing, for their doctests, the programs whose packages only the peers' environment holds."""

collect_ignore = ["celery_worker.py", "send.py", "taskiq_worker.py"]
