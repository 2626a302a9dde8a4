"""schemathesis against the server's own OpenAPI: no 5xx, and answers as it says. Run it as it is."""

import subprocess
import sys
import tempfile
from pathlib import Path

from served import serving

EXAMPLES = sys.argv[1] if len(sys.argv) > 1 else "25"

with tempfile.TemporaryDirectory() as folder, serving(Path(folder), "--seconds", "30") as address:
    tool = Path(sys.executable).with_name("schemathesis")
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    command = [str(tool), "run", f"{address}/openapi.json", "--checks", checks, "--max-examples", EXAMPLES]
    sys.exit(subprocess.run([*command, "--phases", "examples,coverage,fuzzing", "--no-color"], check=False).returncode)
