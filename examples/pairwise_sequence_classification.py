"""Why does a cross-encoder say this of two texts?

    python examples/pairwise_sequence_classification.py --model pairs "A cat sat on the mat." "A cat sat."

It needs a server: ligserve serve --model pairs=PATH_OR_HUB_ID
"""

import argparse

from ligserve.client import DEFAULT_SERVER, Client, PairwiseSequenceClassification


def main() -> None:
    """Ask the server, print the answer in colours, and write it as a page where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("text1", help="the first text")
    parser.add_argument("text2", help="the second text")
    parser.add_argument("--model", required=True, help="name of a model on the server")
    parser.add_argument("--server", default=DEFAULT_SERVER, help="its address, HOST:PORT")
    parser.add_argument("--html", help="file to write the answer to")
    arguments = parser.parse_args()
    task = PairwiseSequenceClassification(arguments.text1, arguments.text2)
    with Client(arguments.server) as client:
        explanation = client.explain(arguments.model, task)
    explanation.print()
    if arguments.html:
        explanation.save_html(arguments.html)


if __name__ == "__main__":
    main()
