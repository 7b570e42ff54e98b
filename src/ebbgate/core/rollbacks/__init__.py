"""The two-stage rollback: one table of what follows from what was seen."""

from ebbgate.core.rollbacks.saga import SAGA, End, Go, Move, Wait, decision_of, next_move, words_of

__all__ = ["SAGA", "End", "Go", "Move", "Wait", "decision_of", "next_move", "words_of"]
