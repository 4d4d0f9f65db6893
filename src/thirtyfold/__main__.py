"""``python -m thirtyfold`` is the command ``thirtyfold``."""

from thirtyfold.cli import main

raise SystemExit(main())
