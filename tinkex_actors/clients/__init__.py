"""What users hold: refs with the names of the domain, and no state."""

from tinkex_actors.actors.pending import Pending as Pending
from tinkex_actors.clients.admin import AdminClient as AdminClient
from tinkex_actors.clients.handle import SamplerHandle as SamplerHandle
from tinkex_actors.clients.loss_evaluation import CustomLossOptions as CustomLossOptions
from tinkex_actors.clients.loss_events import LossEvent as LossEvent
from tinkex_actors.clients.loss_events import log_loss_event as log_loss_event
from tinkex_actors.clients.opening import open_tinker as open_tinker
from tinkex_actors.clients.paging import PagedList as PagedList
from tinkex_actors.clients.rest import RestClient as RestClient
from tinkex_actors.clients.rest import open_rest_client as open_rest_client
from tinkex_actors.clients.sampler_copy import open_sampler as open_sampler
from tinkex_actors.clients.sampling import SamplingClient as SamplingClient
from tinkex_actors.clients.tinker import TinkerClient as TinkerClient
from tinkex_actors.clients.tokenizer import Tokenizer as Tokenizer
from tinkex_actors.clients.training import TrainingClient as TrainingClient
