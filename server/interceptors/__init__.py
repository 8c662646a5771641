"""What happens around every call, from the outside in."""

from ligserve.server.interceptors.access_log import AccessLog
from ligserve.server.interceptors.admission import Admission
from ligserve.server.interceptors.errors import ErrorTranslation
from ligserve.server.interceptors.request_id import RequestId
from ligserve.server.interceptors.validation import Validation

__all__ = ["AccessLog", "Admission", "ErrorTranslation", "RequestId", "Validation"]
