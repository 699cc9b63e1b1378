"""``python -m deploy.cli``: how the stack starts its roles."""

from deploy.cli import main

if __name__ == "__main__":
    main()
