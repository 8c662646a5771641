"""Why does the answer to a question start here, and why does it end there?

    python examples/question_answering.py --model squad "Where does Ada live?" "Ada lives in London."

It needs a server: ligserve serve --model squad=PATH_OR_HUB_ID
"""

import argparse

from ligserve.client import DEFAULT_SERVER, Client, QuestionAnswering


def main() -> None:
    """Ask the server, print the answer in colours, and write it as a page where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("question", help="the question")
    parser.add_argument("context", help="the text that holds the answer")
    parser.add_argument("--model", required=True, help="name of a model on the server")
    parser.add_argument("--server", default=DEFAULT_SERVER, help="its address, HOST:PORT")
    parser.add_argument("--html", help="file to write the answer to")
    arguments = parser.parse_args()
    task = QuestionAnswering(arguments.question, arguments.context)
    with Client(arguments.server) as client:
        explanation = client.explain(arguments.model, task)
    explanation.print()
    if arguments.html:
        explanation.save_html(arguments.html)


if __name__ == "__main__":
    main()
