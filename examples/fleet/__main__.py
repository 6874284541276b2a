"""Cancel what this stack's configuration declares, and fail at the end if it did not come about."""

from enos_ota import require_converged
from enos_ota.program import declare_sets

require_converged(*declare_sets())
