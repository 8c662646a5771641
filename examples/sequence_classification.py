"""Why does a classifier predict this class, or why not another one?

    python examples/sequence_classification.py --model sentiment "I love you, I like you" --class NEGATIVE

It needs a server: ligserve serve --model sentiment=PATH_OR_HUB_ID
"""

import argparse

from ligserve.client import DEFAULT_SERVER, Client, SequenceClassification


def main() -> None:
    """Ask the server, print the answer in colours, and write it as a page where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("text", help="the text")
    parser.add_argument(
        "--class", dest="classes", action="append", help="class to explain, else the predicted"
    )
    parser.add_argument("--model", required=True, help="name of a model on the server")
    parser.add_argument("--server", default=DEFAULT_SERVER, help="its address, HOST:PORT")
    parser.add_argument("--html", help="file to write the answer to")
    arguments = parser.parse_args()
    task = SequenceClassification(arguments.text, targets=arguments.classes or ())
    with Client(arguments.server) as client:
        explanation = client.explain(arguments.model, task)
    explanation.print()
    if arguments.html:
        explanation.save_html(arguments.html)


if __name__ == "__main__":
    main()
