import { Component, type ReactNode } from "react";

interface Props {
  /** Another place is a reason to try again. */
  place: string;
  /** A service that has come back has the script that could not be fetched. */
  returns: number;
  told: ReactNode;
  children: ReactNode;
}

/** A page that can't be shown, as when its script can't be fetched, leaves the others usable. */
export class Boundary extends Component<Props, { fault: boolean }> {
  override state = { fault: false };

  static getDerivedStateFromError() {
    return { fault: true };
  }

  override componentDidUpdate(before: Props) {
    if (!this.state.fault) return;
    if (before.returns !== this.props.returns) location.reload();
    else if (before.place !== this.props.place) this.setState({ fault: false });
  }

  override render() {
    return this.state.fault ? this.props.told : this.props.children;
  }
}
