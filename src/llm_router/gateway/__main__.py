"""`python -m llm_router.gateway`: started by the supervisor; see docs/architecture.md for its launch contract."""

import sys

from llm_router.gateway.process import main

sys.exit(main())
