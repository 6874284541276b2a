"""Cancel the declared task sets, and fail at the end if a set is not as declared."""

from enos_ota import require_converged
from enos_ota.program import declare_sets

require_converged(*declare_sets())
