from mathcore import identities as identities
from mathcore import testing as testing
from mathcore.matrices.determinants import det as det
from mathcore.matrices.determinants import distance_to_span as distance_to_span
from mathcore.matrices.determinants import slogdet as slogdet
from mathcore.matrices.exponential import expm as expm
from mathcore.matrices.exponential_action import ActionInfo as ActionInfo
from mathcore.matrices.exponential_action import expm_multiply as expm_multiply
from mathcore.matrices.exponential_derivative import expm_cond as expm_cond
from mathcore.matrices.exponential_derivative import expm_frechet as expm_frechet
from mathcore.matrices.exponential_derivative import expm_vjp as expm_vjp
from mathcore.matrices.matrix_functions import logm as logm
from mathcore.matrices.matrix_functions import signm as signm
from mathcore.matrices.matrix_functions import sqrtm as sqrtm
from mathcore.matrices.phi_functions import phi as phi
from mathcore.matrices.phi_functions import phi_multiply as phi_multiply
from mathcore.transport.entropic import TransportResult as TransportResult
from mathcore.transport.entropic import sinkhorn as sinkhorn
from mathcore.transport.entropic import sinkhorn_cost as sinkhorn_cost
from mathcore.transport.entropic import sinkhorn_divergence as sinkhorn_divergence
from mathcore.transport.gaussian import bures_wasserstein as bures_wasserstein
from mathcore.transport.gaussian import entropic_gaussian as entropic_gaussian
from mathcore.transport.plans import apply_plan as apply_plan
from mathcore.transport.plans import barycentric_map as barycentric_map
from mathcore.transport.plans import transport_plan as transport_plan
from mathcore.transport.soft_minima import soft_minimum as soft_minimum

__version__: str
